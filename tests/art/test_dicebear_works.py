import pytest

from copyright_gym.art.dicebear_works import caption_of, colour_name, draw_works, style_holder
from copyright_gym.art.portrait import HOLDER_STYLES
from copyright_gym.art.works import IMAGE_SIZE


def test_works_differ_and_repeat_for_the_same_seeds() -> None:
    works = draw_works("micah", 12)
    assert works.images.shape == (12, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert len({image.tobytes() for image in works.images}) == 12
    again = draw_works("micah", 5)
    assert again.digest() == works.select(slice(5)).digest()
    assert again.digest() != works.select(slice(5, 10)).digest()


def test_works_stand_on_white() -> None:
    corners = draw_works("lorelei", 8).images[:, 0, 0]
    assert (corners == 255).all()


def test_caption_names_the_parts_that_were_drawn() -> None:
    options = {
        "hairVariant": "dougFunny",
        "mouthVariant": "variant07",
        "hairColor": ["#f9c9b6"],
        "headVariant": "standard",
    }
    # Micah has one head only, so it says nothing; a numbered variant is its number.
    assert caption_of("micah", options) == "micah, tan hair, hair doug funny, mouth 7"


@pytest.mark.parametrize(
    ("colour", "name"), [("#000000", "black"), ("#fefefe", "white"), ("#e24553", "red")]
)
def test_colour_names(colour: str, name: str) -> None:
    assert colour_name(colour) == name


def test_holders_are_eight_different_people_with_licences() -> None:
    holders = [style_holder(style) for style in HOLDER_STYLES]
    assert len({holder.creator for holder in holders}) == 8
    assert all(holder.licence and holder.licence_url.startswith("https://") for holder in holders)


def test_a_style_without_enough_works_says_so() -> None:
    with pytest.raises(ValueError, match=r"'initials' gave only \d+ different works"):
        draw_works("initials", 40)
