"""The command `validate attribution`; light to import."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from copyright_gym.errors import PackError, load_attribute
from copyright_gym.pack import find_pack


def add_validate_attribution(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add `attribution` to the `validate` command."""
    parser = actions.add_parser(
        "attribution", help="attribution against models that were really retrained"
    )
    parser.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--fresh", type=Path, metavar="FOLDER", help="measure again, records here; resumable"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes for --fresh")
    parser.set_defaults(run=_validate_attribution)


def _validate_attribution(options: argparse.Namespace) -> None:
    folder = find_pack(options.pack)
    path = folder / "attribution.json"
    if options.fresh is not None:
        measure = load_attribute(
            "copyright_gym.art.validate_attribution:measure_attribution", extra="art"
        )
        report = measure(folder, options.fresh, options.workers)
    elif path.exists():
        report = json.loads(path.read_text(encoding="utf-8"))
    else:
        raise PackError(f"pack {folder} has no {path.name}; measure it with --fresh FOLDER")
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
        return
    print("linear datamodeling score     held-out               generated")
    for method, row in report["works"]["lds"].items():
        cells = "".join(
            f"  {row[kind]['mean']:6.3f} [{row[kind]['low']:.3f}, {row[kind]['high']:.3f}]"
            for kind in ("held-out", "generated")
        )
        print(f"{method:26s}{cells}")
    print("\nholders, Spearman with        Shapley   leave-one-out")
    for name, row in report["holders"]["estimates"].items():
        print(f"{name:28s}  {row['shapley_spearman']:7.2f}  {row['leave_one_out_spearman']:14.2f}")
