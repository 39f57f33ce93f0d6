"""The commands `packs captions`, `train-base` and `fetch`, and `validate`; light to import."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from copyright_gym.art.attribution_command import add_validate_attribution
from copyright_gym.art.brought_options import add_brought, brought
from copyright_gym.art.build_command import RECIPE_NAMES, add_build
from copyright_gym.art.copyright_command import add_validate_copyright
from copyright_gym.art.image_text_command import add_validate_image_text
from copyright_gym.art.live_command import add_validate_live
from copyright_gym.art.plan_command import add_plan
from copyright_gym.art.surrogate_command import add_validate_surrogate
from copyright_gym.errors import OptionError, PackError, load_attribute
from copyright_gym.pack import find_pack


def add_packs_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `build`, `plan`, `captions`, `train-base` and `fetch` to the `packs` command."""
    add_build(commands)
    add_plan(commands)
    _add_captions(commands)
    base = commands.add_parser("train-base", help="train a small SDXL base model; resumable")
    base.add_argument("name", choices=RECIPE_NAMES, help="data set that the base model is for")
    base.add_argument("--out", type=Path, required=True, help="folder of the new base model")
    base.add_argument("--work", type=Path, help="state; by default runs/train-base/NAME")
    base.set_defaults(run=_train_base)
    fetch = commands.add_parser("fetch", help="download the packages that works are drawn from")
    fetch.add_argument("name", choices=RECIPE_NAMES, help="data set")
    fetch.set_defaults(run=_fetch)


def _add_captions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    captions = commands.add_parser("captions", help="caption your own works, for `build --works`")
    captions.add_argument("folder", type=Path, help="a sub-folder of images a holder")
    captions.add_argument(
        "--model",
        required=True,
        help="of open_clip: an architecture (a CoCa one writes captions itself), local-dir:FOLDER "
        "or hf-hub:NAME",
    )
    captions.add_argument(
        "--weights",
        metavar="FILE_OR_TAG",
        help="of an architecture: a file, or a tag that open_clip downloads",
    )
    captions.add_argument(
        "--words",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="a word or phrase a line; the best of each file makes the caption",
    )
    captions.add_argument(
        "--count", type=int, metavar="N", help="works a holder, those that a build takes first"
    )
    captions.set_defaults(run=_captions)


def add_validate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `validate` command."""
    parser = commands.add_parser("validate", help="print how well a pack's measurements hold")
    actions = parser.add_subparsers(title="measurements", required=True, metavar="WHAT")
    signal = actions.add_parser("signal", help="variance between coalitions over seed noise")
    signal.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
    signal.add_argument("--json", action="store_true", help="print JSON")
    signal.add_argument("--fresh", type=Path, metavar="FOLDER", help="measure again, records here")
    signal.add_argument("--workers", type=int, default=2, help="processes for --fresh")
    add_brought(signal)
    signal.set_defaults(run=_validate_signal)
    add_validate_attribution(actions)
    add_validate_surrogate(actions)
    add_validate_copyright(actions)
    add_validate_image_text(actions)
    add_validate_live(actions)


def _captions(options: argparse.Namespace) -> None:
    load_attribute("copyright_gym.art.captions:caption_folder", extra="art")(
        options.folder, options.model, options.weights, options.words, options.count
    )


def _train_base(options: argparse.Namespace) -> None:
    recipe = _recipe(options.name)
    if recipe.base is None:
        raise OptionError(
            f"{options.name!r} starts from the base model of {recipe.base_pack!r}: train that one"
        )
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
        report = measure(folder, options.fresh, options.workers, brought(options))
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
