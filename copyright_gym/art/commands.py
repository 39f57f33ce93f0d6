"""The commands `packs build`, `packs train-base`, `packs fetch` and `validate`; light to import."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any, Final

from copyright_gym.art.attribution_command import add_validate_attribution
from copyright_gym.art.copyright_command import add_validate_copyright
from copyright_gym.art.live_command import add_validate_live
from copyright_gym.errors import PackError, load_attribute
from copyright_gym.pack import find_pack, verify_pack
from copyright_gym.pack_files import VISITED

RECIPE_NAMES: Final = ("portrait", "cartoon", "clipart")


def add_packs_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `build`, `train-base` and `fetch` to the `packs` command."""
    build = commands.add_parser("build", help="build a pack by real fine-tuning; resumable")
    build.add_argument("name", choices=RECIPE_NAMES, help="data set")
    build.add_argument("--base", type=Path, help="base model; by default the embedded pack's")
    build.add_argument("--work", type=Path, help="records; by default runs/build/NAME")
    build.add_argument("--out", type=Path, help="the pack; by default runs/packs/NAME")
    build.add_argument(
        "--method", choices=["full", "lora"], help="train the UNet or adapters; default full"
    )
    build.add_argument(
        "--feature",
        choices=["efficientnet-lite0", "fid"],
        default="efficientnet-lite0",
        help="network of the Fréchet distance",
    )
    build.add_argument("--histories", type=int, default=60, help="histories of five rounds")
    build.add_argument(
        "--small", type=int, default=0, help="further histories, of one to three holders"
    )
    build.add_argument(
        "--visited", type=Path, metavar="JSON", help="add the histories of `packs visits`"
    )
    build.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    build.set_defaults(run=_build)
    base = commands.add_parser("train-base", help="train a small SDXL base model; resumable")
    base.add_argument("name", choices=RECIPE_NAMES, help="data set that the base model is for")
    base.add_argument("--out", type=Path, required=True, help="folder of the new base model")
    base.add_argument("--work", type=Path, help="state; by default runs/train-base/NAME")
    base.set_defaults(run=_train_base)
    fetch = commands.add_parser("fetch", help="download the packages that works are drawn from")
    fetch.add_argument("name", choices=RECIPE_NAMES, help="data set")
    fetch.set_defaults(run=_fetch)


def add_validate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `validate` command."""
    parser = commands.add_parser("validate", help="print how well a pack's measurements hold")
    actions = parser.add_subparsers(title="measurements", required=True, metavar="WHAT")
    signal = actions.add_parser("signal", help="variance between coalitions over seed noise")
    signal.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
    signal.add_argument("--json", action="store_true", help="print JSON")
    signal.add_argument("--fresh", type=Path, metavar="FOLDER", help="measure again, records here")
    signal.add_argument("--workers", type=int, default=2, help="processes for --fresh")
    signal.set_defaults(run=_validate_signal)
    add_validate_attribution(actions)
    add_validate_copyright(actions)
    add_validate_live(actions)


def _build(options: argparse.Namespace) -> None:
    recipe = _recipe(options.name)
    recipe.fetch()
    settings = recipe.settings
    if options.method is not None:
        settings = dataclasses.replace(settings, method=options.method)
    out = options.out or Path("runs/packs") / recipe.name
    load_attribute("copyright_gym.art.builder:build_pack", extra="art")(
        recipe,
        options.base or find_pack(recipe.name) / "base",
        work=options.work or Path("runs/build") / recipe.name,
        out=out,
        histories=options.histories,
        small=options.small,
        visited=options.visited,
        workers=options.workers,
        settings=settings,
        feature=options.feature,
        command=[
            "copyright-gym", "packs", "build", recipe.name, "--histories", str(options.histories),
            *([] if not options.small else ["--small", str(options.small)]),
            *([] if options.visited is None else ["--visited", VISITED]),
        ],
    )  # fmt: skip
    verify_pack(out)
    print(f"wrote {out}")


def _train_base(options: argparse.Namespace) -> None:
    recipe = _recipe(options.name)
    recipe.fetch()
    train = load_attribute("copyright_gym.art.base_model:train_base_model", extra="art")
    train(recipe.base, options.out, options.work or Path("runs/train-base") / recipe.name)
    print(f"wrote {options.out}")


def _fetch(options: argparse.Namespace) -> None:
    recipe = _recipe(options.name)
    recipe.fetch()
    print(f"{len(recipe.sources)} source packages of {recipe.name!r} are on this machine")


def _recipe(name: str) -> Any:
    return load_attribute("copyright_gym.art.recipes:find_recipe", extra="art")(name)


def _validate_signal(options: argparse.Namespace) -> None:
    folder = find_pack(options.pack)
    if options.fresh is not None:
        measure = load_attribute("copyright_gym.art.signal:measure_signal", extra="art")
        report = measure(folder, options.fresh, options.workers)
    else:
        path = folder / "signal.json"
        if not path.exists():
            raise PackError(f"pack {folder} has no signal.json; measure it with --fresh FOLDER")
        report = json.loads(path.read_text(encoding="utf-8"))
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
        return
    gains = ", ".join(f"{gain:.3f}" for gain in report["round_gain_mean"])
    print(f"variance ratio (one round)        {report['variance_ratio']:.1f}")
    print(f"seed noise (quality, std)         {report['seed_noise_std']:.4f}")
    print(f"reduction by buying everything    {report['all_rounds_reduction']:.3f}")
    print(f"gain of each round                {gains}")
    print(f"worst single holder (quality)     {report['single_holder_worst']:.3f}")
