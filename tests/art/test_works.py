import numpy as np

from copyright_gym.art.works import Works


def test_join_of_nothing_is_empty() -> None:
    assert len(Works.join([])) == 0
    assert Works.join([]).images.dtype == np.uint8


def test_works_are_selected_and_joined_by_hand() -> None:
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    works = Works(images, ("a", "b", "c"))
    picked = works.select(np.array([2, 0]))
    assert picked.captions == ("c", "a")
    assert picked.images[:, 0, 0, 0].tolist() == [2, 0]
    joined = Works.join([picked, works.select(slice(1, 2))])
    assert joined.captions == ("c", "a", "b")
    assert joined.digest() != works.digest()
    assert Works(images, ("a", "b", "d")).digest() != works.digest()
