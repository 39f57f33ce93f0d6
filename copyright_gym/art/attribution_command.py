"""The commands `validate attribution` and `validate attribution-causes`; light to import."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from copyright_gym.arguments import integer
from copyright_gym.art.brought_options import add_brought, brought
from copyright_gym.errors import OptionError, load_attribute
from copyright_gym.pack import find_pack, load_pack

_TRUTHS: Final = {
    "alone": "quality when bought alone",
    "leave_one_out": "loss of quality when left out",
    "shapley": "exact Shapley value of quality",
}
_KINDS: Final = ("held-out", "generated")
_REPORT: Final = "copyright_gym.art.attribution_report:attribution_report"
_MEASURES: Final = "copyright_gym.art.validate_attribution"


def add_validate_attribution(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add `attribution` and `attribution-causes` to the `validate` command."""
    parser = actions.add_parser(
        "attribution", help="attribution against models that were really retrained"
    )
    _add_packs(parser)
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
    causes = actions.add_parser(
        "attribution-causes",
        help="why gradients miss quality: true falls of loss, and estimates varied",
    )
    _add_packs(causes)
    causes.add_argument(
        "--records",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where records are kept, a sub-folder a pack; resumable",
    )
    add_brought(causes)
    causes.set_defaults(run=_validate_causes)


def _add_packs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pack",
        nargs="+",
        default=["portrait"],
        metavar="NAME_OR_FOLDER",
        help="with several, correlations are pooled over their holders",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _validate_attribution(options: argparse.Namespace) -> None:
    if len(options.pack) > 1:
        if options.fresh or options.missing:
            raise OptionError(
                f"--fresh and --missing measure one pack at a time, got {len(options.pack)}; "
                "give one --pack, and pool the packs once they hold the figures"
            )
        report = load_attribute(_REPORT, extra="art")
        _print_several([report(find_pack(name)) for name in options.pack], options)
        return
    (name,) = options.pack
    folder = find_pack(name)
    report = load_attribute(_REPORT, extra="art")(folder, _measured(folder, options))
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
        return
    works = report["works"]
    if works is None:
        print("linear datamodeling score: not measured for this pack")
    else:
        _print_works(works)
    missing = _print_holders(folder, report["holders"])
    if works is None or missing:
        command = f"copyright-gym validate attribution --pack {name} --missing FOLDER"
        print(f"measure what is missing (hours, resumable): {command}")


def _measured(folder: Path, options: argparse.Namespace) -> Any:
    """Return what the options ask to measure, None for nothing."""
    if not (options.fresh or options.missing):
        return None
    measuring = load_attribute(f"{_MEASURES}:Measuring", extra="art")(
        options.fresh or options.missing,
        options.missing is not None,
        options.workers,
        brought(options),
    )
    measure = load_attribute(f"{_MEASURES}:measure_attribution", extra="art")
    return measure(load_pack(folder), measuring)


def _validate_causes(options: argparse.Namespace) -> None:
    causes = load_attribute("copyright_gym.art.attribution_causes:causes_report", extra="art")
    reports = []
    for name in options.pack:
        folder = find_pack(name)
        records = options.records / load_pack(folder).name
        reports.append(causes(folder, records, brought(options)))
    if len(reports) > 1:
        _print_several(reports, options)
    elif options.json:
        print(json.dumps(reports[0], indent=1, sort_keys=True))
    else:
        _print_holders(folder, reports[0]["holders"])


def _print_several(reports: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> None:
    pooled_report = load_attribute(
        "copyright_gym.art.holder_attribution:pooled_report", extra="art"
    )
    pooled = pooled_report([report["holders"] for report in reports])
    if options.json:
        print(json.dumps({"packs": reports, "pooled": pooled}, indent=1, sort_keys=True))
        return
    for truth, found in pooled.items():
        title = f"{_TRUTHS[truth]}, {found['holders']} holders of {found['packs']} packs"
        _print_correlations(title, found["correlations"])
    for truth in _TRUTHS.keys() - pooled.keys():
        print(f"\n{_TRUTHS[truth]}: not known of all holders of two packs or more")


def _print_works(works: Mapping[str, Any]) -> None:
    print(
        f"linear datamodeling score: {works['works']} works, {works['targets_a_kind']} targets of "
        f"each kind, {works['subsets']} subsets x {works['seeds']} seeds retrained; "
        f"lambda chosen on {works['subsets_for_ridge']} further subsets"
    )
    print(f"{'method':26s}  {'lambda':>7s}  {_KINDS[0]:22s}  {_KINDS[1]}")
    for method, row in works["lds"].items():
        ridge = "" if row["ridge"] is None else f"{row['ridge']:g}"
        print(f"{method:26s}  {ridge:>7s}{_cells(row)}")
    for model, row in works["d-trak minus trak"].items():
        print(f"{f'd-trak minus trak, {model}':35s}{_cells(row)}")
    if "ceiling" in works:
        held_out, generated = (works["ceiling"][kind] for kind in _KINDS)
        print(f"{'ceiling by noise of the seeds':35s}  {held_out:6.3f}{'':16s}  {generated:6.3f}")
    for method, (held_out, generated) in works["anchors"].items():
        print(f"{f'{method}, published':35s}  {held_out:6.3f}{'':16s}  {generated:6.3f}")


def _cells(row: Mapping[str, Mapping[str, float]]) -> str:
    return "".join(
        f"  {row[kind]['mean']:6.3f} [{row[kind]['low']:.3f}, {row[kind]['high']:.3f}]".ljust(24)
        for kind in _KINDS
    ).rstrip()


def _print_holders(folder: Path, report: Mapping[str, Any]) -> bool:
    """Print truths and correlations; tell whether a truth is not known of all holders."""
    print(
        f"\nholders in the first round: {report['coalitions']} of {report['all_coalitions']} "
        f"coalitions measured, {report['seeds']} seeds or more"
    )
    names = [holder.name for holder in load_pack(folder).holders]
    _print_truths(report["truths"], names)
    known = {truth: len(values) for truth, values in report["truths"].items()}
    for truth, by_estimate in report["correlations"].items():
        title = f"{_TRUTHS[truth]}, {known[truth]} of {len(names)} holders"
        _print_correlations(title, by_estimate)
    missing = [_TRUTHS[truth] for truth in _TRUTHS if known.get(truth) != len(names)]
    if missing:
        print(f"\nnot known of all holders: {', '.join(missing)}; all coalitions are needed")
    return bool(missing)


def _print_correlations(title: str, by_estimate: Mapping[str, Mapping[str, float]]) -> None:
    print(f"\n{title}\n{'estimate':42s}  Spearman  95 %            Pearson")
    for name, row in by_estimate.items():
        interval = f"[{row['low']:5.2f}, {row['high']:5.2f}]"
        print(f"{name:42s}  {row['spearman']:8.2f}  {interval}  {row['pearson']:7.2f}")


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
