"""The tables that `validate copyright` prints of its report; light to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean, stdev
from typing import Any


def copyright_tables(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report's tables.

    Args:
        report: What `measure_copyright` returned.
    """
    yield from _measures(report)
    yield from _transforms(report)
    yield from _negatives(report)
    yield "\nweight a  validation AUC  test AUC"
    for row in report["weights"]:
        yield f"{row['a']:8.1f}  {row['validation_auc']:14.4f}  {row['test_auc']:8.4f}"
    yield f"\nweight a chosen on validation works: {report['chosen_a']}"
    yield "\nmemorisation        steps   seen (std between seeds)  held out (std)"
    for curve in report["memorisation"]:
        for stage in curve["stages"]:
            yield (
                f"{curve['holder']:18s}  {stage['steps']:5d}  {stage['seen']:5.3f} "
                f"({stage['seen_seed_std']:5.3f})              {stage['held_out']:8.3f} "
                f"({stage['held_out_seed_std']:5.3f})"
            )
    yield from _lots(report["lots"])


def _measures(report: Mapping[str, Any]) -> Iterator[str]:
    title = f"{report['works']['test']} test works"
    yield f"{title:22s}  AUC                   TPR at 1 % FPR        Spearman"
    for name, row in sorted(report["measures"].items(), key=lambda item: -item[1]["auc"]):
        figures = (_with_interval(row, key) for key in ("auc", "tpr_at_1_percent_fpr", "spearman"))
        yield f"{name:22s}  {'  '.join(figures)}".rstrip()


def _with_interval(row: Mapping[str, float], figure: str) -> str:
    # Reports from before there were intervals of all figures have a dash in their place.
    known = f"{figure}_low" in row
    limits = f"[{row[f'{figure}_low']:.3f}, {row[f'{figure}_high']:.3f}]" if known else "-"
    return f"{row[figure]:.3f} {limits:14s}"


def _transforms(report: Mapping[str, Any]) -> Iterator[str]:
    yield "\ncopy            strength  mean score  AUC                   TPR at 1 % FPR"
    for row in report["transforms"]:
        yield (
            f"{row['transform']:14s}  {row['strength']:8.2f}  {row['score']:10.3f}"
            f"  {_with_interval(row, 'auc')}  {row['tpr_at_1_percent_fpr']:14.3f}"
        )


def _negatives(report: Mapping[str, Any]) -> Iterator[str]:
    yield "\nnegatives     trials  mean score  AUC against them"
    for kind, row in report["negatives"].items():
        figures = f"  {row['score']:10.3f}  {row['auc']:16.3f}" if row["count"] else ""
        yield f"{kind:12s}  {row['count']:6d}{figures}"


def _lots(lots: Mapping[str, Any]) -> Iterator[str]:
    means = [mean for of_round in lots["mean"] for mean in of_round]
    between_seeds, between_works = (
        fmean(value for of_round in lots[name] for value in of_round)
        for name in ("seed_std", "work_std")
    )
    reliability = "-" if lots["reliability"] is None else f"{lots['reliability']:.2f}"
    yield f"\n{len(means)} lots, {lots['seeds']} seeds a caption"
    yield f"mean, lowest to highest     {min(means):.3f} to {max(means):.3f}"
    yield f"std between lots            {stdev(means):.3f}"
    yield f"std between seeds           {between_seeds:.3f}"
    yield f"std between works of a lot  {between_works:.3f}"
    yield f"reliability of the means    {reliability}"
