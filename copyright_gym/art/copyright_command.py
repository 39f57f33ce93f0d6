"""The command `validate copyright`; light to import."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from copyright_gym.art.brought_options import add_brought, brought
from copyright_gym.art.build_command import add_networks
from copyright_gym.art.copyright_tables import copyright_tables
from copyright_gym.errors import OptionError, PackError, load_attribute
from copyright_gym.pack import find_pack
from copyright_gym.pack_files import COPYRIGHT


def add_validate_copyright(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add `copyright` to the `validate` command."""
    parser = actions.add_parser(
        "copyright", help="how well the copyright metric tells copies from look-alikes"
    )
    parser.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--fresh", type=Path, metavar="FOLDER", help="measure again, records here; resumable"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="plot the weight sweep")
    add_networks(parser, "for --fresh, in place of the pack's")
    add_brought(parser)
    parser.set_defaults(run=_validate_copyright)


def _validate_copyright(options: argparse.Namespace) -> None:
    folder = find_pack(options.pack)
    path = folder / COPYRIGHT
    chosen = {"semantic": options.semantic, "perceptual": options.perceptual}
    networks = {part: name for part, name in chosen.items() if name is not None}
    if networks and options.fresh is None:
        raise OptionError(
            "--semantic and --perceptual are networks to measure with; give --fresh FOLDER too"
        )
    if options.fresh is not None:
        measure = load_attribute(
            "copyright_gym.art.validate_copyright:measure_copyright", extra="art"
        )
        report = measure(folder, options.fresh, brought(options), networks)
    elif path.exists():
        report = json.loads(path.read_text(encoding="utf-8"))
    else:
        raise PackError(f"pack {folder} has no {path.name}; measure it with --fresh FOLDER")
    if options.plot is not None:
        plot = load_attribute("copyright_gym.art.weight_plot:plot_weights", extra="render")
        plot(report, options.plot)
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
        return
    print("\n".join(copyright_tables(report)))
