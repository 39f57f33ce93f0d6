"""The commands `validate copyright` and `validate attribution`; light to import."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from copyright_gym.errors import PackError, load_attribute
from copyright_gym.pack import find_pack


def add_validate_scores(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `copyright` and `attribution` to the `validate` command."""
    texts = {
        "copyright": "how well the copyright metric tells copies from hard negatives",
        "attribution": "attribution against models that were really retrained",
    }
    for name, text in texts.items():
        parser = actions.add_parser(name, help=text)
        parser.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument(
            "--fresh", type=Path, metavar="FOLDER", help="measure again, records here; resumable"
        )
        if name == "attribution":
            parser.add_argument("--workers", type=int, default=2, help="processes for --fresh")
        parser.set_defaults(run=_copyright if name == "copyright" else _attribution)


def _report(
    options: argparse.Namespace, name: str, measure: Callable[[Path], dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the stored or newly measured report, or None after printing it as JSON."""
    folder = find_pack(options.pack)
    path = folder / f"{name}.json"
    if options.fresh is not None:
        report = measure(folder)
    elif path.exists():
        report = json.loads(path.read_text(encoding="utf-8"))
    else:
        raise PackError(f"pack {folder} has no {path.name}; measure it with --fresh FOLDER")
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
        return None
    return report


def _attribution(options: argparse.Namespace) -> None:
    def measure(folder: Path) -> dict[str, Any]:
        function = load_attribute(
            "copyright_gym.art.validate_attribution:measure_attribution", extra="art"
        )
        report: dict[str, Any] = function(folder, options.fresh, options.workers)
        return report

    report = _report(options, "attribution", measure)
    if report is None:
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
        print(
            f"{name:28s}  {row['shapley_spearman']:7.2f}  {row['leave_one_out_spearman']:14.2f}"
        )


def _copyright(options: argparse.Namespace) -> None:
    def measure(folder: Path) -> dict[str, Any]:
        function = load_attribute(
            "copyright_gym.art.validate_copyright:measure_copyright", extra="art"
        )
        report: dict[str, Any] = function(folder, options.fresh)
        return report

    report = _report(options, "copyright", measure)
    if report is None:
        return
    print("test works                AUC                     TPR at 1 % FPR   Spearman")
    for name, row in report["measures"].items():
        interval = f"[{row['auc_low']:.3f}, {row['auc_high']:.3f}]"
        print(
            f"{name:24s}  {row['auc']:.3f} {interval}  {row['tpr_at_1_percent_fpr']:14.3f}"
            f"  {row['spearman']:9.2f}"
        )
