"""The recipe of a user's own works."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Final

from copyright_gym.art.build_report import BuildReport
from copyright_gym.art.chosen_works import (
    ChosenWork,
    Division,
    credits_csv,
    load_works,
    read_credits,
)
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.portrait import PORTRAIT
from copyright_gym.art.recipe import BROUGHT_BASE, Recipe
from copyright_gym.art.works import Works
from copyright_gym.art.works_folder import choose_works
from copyright_gym.pack import Pack
from copyright_gym.pack_completeness import WORKS as WORKS_FILE

WORKS: Final = "works"  # the name of all such recipes


def works_recipe(
    name: str, folder: Path, division: Division, own_base: bool, report: BuildReport
) -> Recipe:
    """Choose works from a folder and return the recipe of their pack.

    Works that the base model knows are known for the embedded base of `portrait` alone; rounds on
    another base train on licensed works only.

    Args:
        name: Name of the pack.
        folder: The folder of works.
        division: How to divide it.
        own_base: Whether the user brings a base model.
        report: Gets what is wrong with works.

    Raises:
        OptionError: The folder can't be divided so; see `choose_works`.
    """
    chosen = choose_works(folder, division, report)
    return _recipe(name, folder, chosen, division, own_base)


def recipe_of_pack(pack: Pack, folder: Path) -> Recipe:
    """Return the recipe of a pack that was built from a folder, with the works it lists.

    Args:
        pack: The pack.
        folder: The folder of works.
    """
    chosen = read_credits((pack.folder / WORKS_FILE).read_bytes())
    division = Division(**pack.provenance["works"]["division"])
    # Rounds replay works of the base model where these are known; see `works_recipe`.
    own_base = not pack.provenance["finetune"]["base_share"]
    return _recipe(pack.name, folder, chosen, division, own_base)


def _recipe(
    name: str, folder: Path, chosen: tuple[ChosenWork, ...], division: Division, own_base: bool
) -> Recipe:
    credits = credits_csv(chosen)
    return Recipe(
        name=WORKS,
        title=f"Works of {name}",
        about="Chosen from a folder of works; `works.csv` lists all with licences and credits.",
        collection=functools.partial(load_works, folder.resolve(), chosen, division),
        replay=functools.partial(Works.join, ()) if own_base else PORTRAIT.replay,
        facts={
            "division": asdict(division),
            "works_csv_sha256": hashlib.sha256(credits).hexdigest(),
        },
        base=None,
        base_about=BROUGHT_BASE if own_base else "It is the base of `portrait`.",
        settings=FinetuneSettings(base_share=0.0) if own_base else PORTRAIT.settings,
        packages=("pillow",) if own_base else ("pillow", *PORTRAIT.packages),
        files={WORKS_FILE: credits},
    )
