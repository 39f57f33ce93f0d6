"""The command `validate image-text`; light to import."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from copyright_gym.errors import PackError, load_attribute
from copyright_gym.pack import find_pack
from copyright_gym.pack_files import IMAGE_TEXT


def add_validate_image_text(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add `image-text` to the `validate` command."""
    parser = actions.add_parser(
        "image-text", help="whether a small image-text model would tell copies better"
    )
    parser.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--fresh",
        type=Path,
        metavar="FOLDER",
        help="fetch icons, train and measure; records here; resumable",
    )
    parser.set_defaults(run=_validate_image_text)


def _validate_image_text(options: argparse.Namespace) -> None:
    folder = find_pack(options.pack)
    path = folder / IMAGE_TEXT
    if options.fresh is not None:
        for package in load_attribute("copyright_gym.art.icon_works:ALL_SETS", extra="art"):
            package.fetch()
        measure = load_attribute(
            "copyright_gym.art.validate_image_text:measure_image_text", extra="art"
        )
        report = measure(folder, options.fresh)
    elif path.exists():
        report = json.loads(path.read_text(encoding="utf-8"))
    else:
        raise PackError(f"pack {folder} has no {path.name}; measure it with --fresh FOLDER")
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
        return
    _print(report)


def _print(report: dict[str, Any]) -> None:
    retrieval = report["retrieval"]
    settings = retrieval["settings"]
    chosen = ", ".join(f"{name} {value}" for name, value in settings.items())
    print(f"chosen on validation pairs: {chosen}")
    of_chosen = next(row for row in retrieval["validation"] if settings.items() <= row.items())
    found = {**retrieval, "validation": of_chosen}
    print(f"\n{'retrieval':24s}  pairs    R@1    R@5")
    for split in ("training", "validation", "test"):
        for way in ("image to text", "text to image"):
            first, five = (found[split][f"{way} R@{k}"] for k in (1, 5))
            print(
                f"{split:10s} {way:13s}  {retrieval['pairs'][split]:5d}  {first:5.3f}  {five:5.3f}"
            )
    chance = retrieval["chance"]
    print(f"{'chance on test pairs':31s}  {chance['R@1']:5.3f}  {chance['R@5']:5.3f}")
    print(f"\n{report['works']} test works".ljust(42) + "AUC                    TPR at 1 % FPR")
    for name, row in report["measures"].items():
        auc, rate = (
            f"{row[key]:.3f} [{row[f'{key}_low']:.3f}, {row[f'{key}_high']:.3f}]"
            for key in ("auc", "tpr_at_1_percent_fpr")
        )
        print(f"{name:39s}  {auc:21s}  {rate}")
