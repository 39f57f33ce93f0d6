"""The command `validate live`; light to import."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from copyright_gym.art.brought_options import add_brought, brought
from copyright_gym.errors import load_attribute
from copyright_gym.pack import find_pack


def add_validate_live(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `live` to the `validate` command."""
    parser = actions.add_parser(
        "live", help="the surrogate against fresh histories that are really fine-tuned"
    )
    parser.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
    parser.add_argument(
        "--histories", type=_at_least(1), default=20, metavar="N", help="how many (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="N", help="of the histories (%(default)s)"
    )
    parser.add_argument(
        "--visited",
        type=Path,
        metavar="JSON",
        help="half of the histories are from this file of `packs visits`, not from heuristics",
    )
    parser.add_argument("--workers", type=_at_least(1), default=2, help="processes (%(default)s)")
    parser.add_argument(
        "--out", type=Path, help="results, resumable; by default runs/validate-live/NAME"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--estimate", action="store_true", help="only measure how long it would take"
    )
    add_brought(parser)
    parser.set_defaults(run=_validate_live)


def _at_least(lowest: int) -> Any:
    def parse(text: str) -> int:
        number = int(text)
        if number < lowest:
            raise argparse.ArgumentTypeError(f"must be at least {lowest}: {text!r}")
        return number

    parse.__name__ = "integer"  # named in argparse's message
    return parse


def _validate_live(options: argparse.Namespace) -> int:
    folder = find_pack(options.pack)
    choice = {
        "number": options.histories,
        "seed": options.seed,
        "visited": options.visited,
        "brought": brought(options),
    }
    if options.estimate:
        times = load_attribute("copyright_gym.art.validate_live:expected_time", extra="art")
        report = times(folder, **choice)
        if not options.json:
            print(report["summary"])
            minutes = report["histories_seconds"] / 60
            print(f"{report['histories']} histories take about {minutes:.1f} minutes on one core")
    else:
        out = options.out or Path("runs/validate-live") / folder.name
        validate = load_attribute("copyright_gym.art.validate_live:validate_live", extra="art")
        report = validate(folder, out, workers=options.workers, **choice)
        if not options.json:
            _print_table(report)
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
    return int(report.get("agrees") is False)


def _print_table(report: dict[str, Any]) -> None:
    print("history               round  predicted  measured    error")
    for run in report["runs"]:
        name = run["source"].get("policy", run["kind"])
        for t, row in enumerate(run["rounds"], 1):
            mark = "" if row["counts"] else "  (not counted)"
            print(
                f"{name:20s}  {t:5d}  {row['predicted']:9.4f}  {row['measured']:8.4f}  "
                f"{row['error']:+7.4f}{mark}"
            )
    published = report["published"]
    error, (low, high) = report["mean_absolute_error"], report["mean_absolute_error_interval"]
    bias = report["bias_interval"]
    print(f"\nhistories, rounds counted      {report['histories']}, {report['rounds_counted']}")
    print(f"mean absolute error            {error:.4f} [{low:.4f}, {high:.4f}]")
    print(f"published, held-out histories  {published['held_out_mean_absolute_error']:.4f}")
    print(f"bias (prediction too high)     {report['bias']:+.4f} [{bias[0]:+.4f}, {bias[1]:+.4f}]")
    if report["r2"] is not None:
        print(f"R²                             {report['r2']:.4f}")
    print(f"seed noise (quality, std)      {report['seed_noise_std']:.4f}")
    verdict = {True: "yes", False: "NO", None: "one history cannot tell"}[report["agrees"]]
    print(f"agrees                         {verdict}\n({report['rule']})")
