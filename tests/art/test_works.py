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


def test_framing_goes_with_its_work_and_into_the_digest() -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    plain = Works(images, ("a", "b"))
    assert plain.framing.tolist() == [[8, 8, 0, 0]] * 2
    wide = Works(images, ("a", "b"), np.array([[8, 8, 0, 0], [40, 120, 0, 8]]))
    assert wide.digest() != plain.digest()
    assert wide.digests()[0] == plain.digests()[0]
    joined = Works.join([plain, wide.select(np.array([1]))])
    assert joined.framing.tolist() == [[8, 8, 0, 0], [8, 8, 0, 0], [40, 120, 0, 8]]
