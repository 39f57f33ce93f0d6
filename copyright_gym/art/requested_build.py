"""Builds the pack that the options of `packs build` ask for."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any, Final

from copyright_gym.art.base_files import find_base, work_size
from copyright_gym.art.build_command import CONTRIBUTIONS, RECIPE_NAMES
from copyright_gym.art.build_report import BuildReport, reported
from copyright_gym.art.builder import build_pack
from copyright_gym.art.chosen_works import Division
from copyright_gym.art.lot_scores import CopyrightParts
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.recipes import find_recipe
from copyright_gym.art.sampling import Sampling
from copyright_gym.art.workers import LocalWorkers, Workers
from copyright_gym.art.works_recipe import works_recipe
from copyright_gym.errors import OptionError, listed, load_attribute
from copyright_gym.pack import find_pack, verify_pack
from copyright_gym.pack_files import VISITED

_BASE_OF_WORKS: Final = "portrait"  # the embedded pack whose base model serves a user's works
_DIVISION: Final = ("rounds", "lot", "held_out", "seed", "license", "drop_small_holders")
TRAINING: Final = (
    "method", "precision", "vae", "lora_rank", "gradient_checkpointing", "batch", "epochs", "lr",
)  # fmt: skip
SAMPLING: Final = ("steps", "guidance")


def build_as_asked(options: argparse.Namespace) -> None:
    """Build a pack, verify it, and report what was wrong on the way.

    Args:
        options: The parsed options of `packs build`; those that were not given are None.

    Raises:
        OptionError: Options or works are not usable.
        BuildError: The disk is full, or workers are killed again and again.
    """
    name = _name(options)
    work = options.work or Path("runs/build") / name
    out = options.out or Path("runs/packs") / name
    report = BuildReport(work)
    with reported(report):
        base = _base(options, name)
        recipe = _recipe(options, name, base, report)
        build_pack(
            recipe,
            base,
            work=work,
            out=out,
            histories=options.histories,
            small=options.small,
            visited=options.visited,
            workers=_workers(options),
            settings=dataclasses.replace(recipe.settings, **given(options, TRAINING)),
            sampling=Sampling(**given(options, SAMPLING)),
            feature=options.feature,
            contribution=options.contribution,
            parts=_parts(options),
            command=_command(options, name),
            report=report,
        )
        verify_pack(out)
    print(f"wrote {out}")


def _name(options: argparse.Namespace) -> str:
    if options.works is not None:
        return str(options.name or options.works.resolve().name)
    unfit = [f"--{key.replace('_', '-')}" for key in given(options, ("size", *_DIVISION))]
    if unfit:
        raise OptionError(f"{listed(unfit)}: only for your own works; name their folder by --works")
    if options.name not in RECIPE_NAMES:
        raise OptionError(
            f"unknown data set {options.name!r}; known: {listed(RECIPE_NAMES)}; for your own works "
            "give --works FOLDER"
        )
    return str(options.name)


def _base(options: argparse.Namespace, name: str) -> str | Path:
    if options.base is not None:
        return find_base(options.base)
    own = _BASE_OF_WORKS if options.works is not None else find_recipe(name).base_pack or name
    return find_pack(own) / "base"


def _workers(options: argparse.Namespace) -> Workers:
    if options.executor == "local":
        if options.address is not None:
            raise OptionError("--address is that of a Ray cluster; it goes with --executor ray")
        return LocalWorkers() if options.workers is None else LocalWorkers(options.workers)
    ray_workers = load_attribute("copyright_gym.art.ray_workers:RayWorkers", extra="ray")
    workers: Workers = ray_workers(options.address or "auto", options.workers)
    return workers


def _recipe(
    options: argparse.Namespace, name: str, base: str | Path, report: BuildReport
) -> Recipe:
    if options.works is None:
        recipe = find_recipe(name)
        recipe.fetch()
        return recipe if options.base is None else recipe.with_other_base()
    division = Division(size=work_size(base, options.size), **given(options, _DIVISION))
    return works_recipe(name, options.works, division, options.base is not None, report)


def _parts(options: argparse.Namespace) -> CopyrightParts:
    return CopyrightParts(**given(options, ("semantic", "perceptual")))


def given(options: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those of the options that the user gave."""
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _command(options: argparse.Namespace, name: str) -> list[str]:
    """Return the command for the manifest; files and folders by their last name alone."""
    words = ["copyright-gym", "packs", "build", name, "--histories", str(options.histories)]
    if options.small:
        words += ["--small", str(options.small)]
    if options.visited is not None:
        words += ["--visited", VISITED]
    if options.works is not None:
        words += ["--works", options.works.resolve().name]
    if options.base is not None:
        base = find_base(options.base)
        words += ["--base", base.name if isinstance(base, Path) else base]
    if options.feature != "efficientnet-lite0":
        words += ["--feature", options.feature]
    if options.contribution != CONTRIBUTIONS[0]:
        words += ["--contribution", options.contribution]
    for part, name_of_part in _parts(options).named().items():
        if getattr(options, part) is not None:
            words += [f"--{part}", name_of_part]
    for key, value in given(options, ("size", *_DIVISION, *TRAINING, *SAMPLING)).items():
        flag = f"--{key.replace('_', '-')}"
        words += [flag] if value is True else [flag, str(value)]
    return words
