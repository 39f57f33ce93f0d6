"""The command `validate attribution`; light to import."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from copyright_gym.arguments import integer
from copyright_gym.art.brought_options import add_brought, brought
from copyright_gym.errors import load_attribute
from copyright_gym.pack import find_pack, load_pack

_TRUTHS: Final = {
    "alone": "quality when bought alone",
    "leave_one_out": "loss of quality when left out",
    "shapley": "exact Shapley value of quality",
}


def add_validate_attribution(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add `attribution` to the `validate` command."""
    parser = actions.add_parser(
        "attribution", help="attribution against models that were really retrained"
    )
    parser.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
    parser.add_argument("--json", action="store_true", help="print JSON")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--fresh", type=Path, metavar="FOLDER", help="measure again, records here; resumable"
    )
    where.add_argument(
        "--missing",
        type=Path,
        metavar="FOLDER",
        help="measure what the pack does not hold, records here; resumable",
    )
    parser.add_argument(
        "--workers", type=integer(1), default=2, help="processes for --fresh and --missing (2)"
    )
    add_brought(parser)
    parser.set_defaults(run=_validate_attribution)


def _validate_attribution(options: argparse.Namespace) -> None:
    folder = find_pack(options.pack)
    module = "copyright_gym.art.validate_attribution"
    measuring = None
    if options.fresh or options.missing:
        measuring = load_attribute(f"{module}:Measuring", extra="art")(
            options.fresh or options.missing,
            options.missing is not None,
            options.workers,
            brought(options),
        )
    report = load_attribute(f"{module}:attribution_report", extra="art")(folder, measuring)
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
        return
    command = f"copyright-gym validate attribution --pack {options.pack} --missing FOLDER"
    works, holders = report["works"], report["holders"]
    if works is None:
        print("linear datamodeling score: not measured for this pack")
    else:
        _print_works(works)
    print(
        f"\nholders in the first round: {holders['coalitions']} of {holders['all_coalitions']} "
        f"coalitions measured, {holders['seeds']} seeds or more"
    )
    names = [holder.name for holder in load_pack(folder).holders]
    _print_truths(holders["truths"], names)
    known = {truth: len(values) for truth, values in holders["truths"].items()}
    for truth, by_estimate in holders["correlations"].items():
        print(f"\n{_TRUTHS[truth]}, {known[truth]} of {len(names)} holders")
        print(f"{'estimate':42s}  Spearman  95 %            Pearson")
        for name, row in by_estimate.items():
            interval = f"[{row['low']:5.2f}, {row['high']:5.2f}]"
            print(f"{name:42s}  {row['spearman']:8.2f}  {interval}  {row['pearson']:7.2f}")
    missing = [_TRUTHS[truth] for truth in _TRUTHS if known.get(truth) != len(names)]
    if missing:
        print(f"\nnot known of all holders: {', '.join(missing)}; all coalitions are needed")
    if works is None or missing:
        print(f"measure what is missing (hours, resumable): {command}")


def _print_works(works: Mapping[str, Any]) -> None:
    kinds = ("held-out", "generated")
    print(f"{'linear datamodeling score':26s}  {kinds[0]:22s}  {kinds[1]}")
    for method, row in works["lds"].items():
        cells = "".join(
            f"  {row[kind]['mean']:6.3f} [{row[kind]['low']:.3f}, {row[kind]['high']:.3f}]"
            for kind in kinds
        )
        print(f"{method:26s}{cells}")
    for method, (held_out, generated) in works["anchors"].items():
        print(f"{f'{method}, published':26s}  {held_out:6.3f}{'':16s}  {generated:6.3f}")


def _print_truths(
    truths: Mapping[str, Mapping[str, Sequence[float]]], holders: Sequence[str]
) -> None:
    known = {truth: values for truth, values in truths.items() if values}
    print("mean over seeds".ljust(28) + "".join(f"{_TRUTHS[truth]:>33s}" for truth in known))
    for i, holder in enumerate(holders):
        cells = []
        for values in known.values():
            seeds = values.get(str(i))
            cells.append("not measured" if seeds is None else f"{sum(seeds) / len(seeds):.4f}")
        print(f"{holder[:26]:28s}" + "".join(f"{cell:>33s}" for cell in cells))
