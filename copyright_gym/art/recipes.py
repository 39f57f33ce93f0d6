"""The recipes of the embedded data sets, by name."""

from __future__ import annotations

from typing import Final

from copyright_gym.art.cartoon import CARTOON
from copyright_gym.art.clipart import CLIPART
from copyright_gym.art.portrait import PORTRAIT
from copyright_gym.art.recipe import Recipe
from copyright_gym.errors import OptionError, listed

RECIPES: Final = {recipe.name: recipe for recipe in (PORTRAIT, CARTOON, CLIPART)}


def find_recipe(name: str) -> Recipe:
    """Return a recipe.

    Raises:
        OptionError: If there is none of that name.
    """
    if name not in RECIPES:
        raise OptionError(f"unknown recipe {name!r}; known: {listed(RECIPES)}")
    return RECIPES[name]
