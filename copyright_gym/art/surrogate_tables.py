"""The report of a surrogate as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_OWN: Final = "held_out_"


def surrogate_tables(report: Mapping[str, Any]) -> str:
    """Return how well the stored form and others foresee measurements, and the coverage.

    Args:
        report: That of `fit_surrogate` with `forms`, see `compare_forms`.
    """
    own = {
        name.removeprefix(_OWN): value for name, value in report.items() if name.startswith(_OWN)
    }
    forms = {f"**{report['form']}**, stored": own, **report["forms"]}
    bands = list(own["by_lots"])
    noise = report["seed_noise"]
    lines = [
        "| form | R² | of the explainable | mean absolute error | / seed noise |"
        + "".join(f" {band} lots |" for band in bands),
        "|---" * (5 + len(bands)) + "|",
    ]
    for name, figures in forms.items():
        cells = [
            _cell(figures, "r2", 3),
            _cell(figures, "r2_of_explainable", 3),
            _cell(figures, "mean_absolute_error", 4),
            _cell(figures, "over_seed_noise", 2),
            *(_cell(figures["by_lots"][band], "over_seed_noise", 2) for band in bands),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Seed noise (standard deviation of the quality): {noise['std']:.4f} "
        f"[{noise['low']:.4f}, {noise['high']:.4f}], {noise['freedom']} degrees of freedom.",
        f"{report['measurements']} measured rounds, {report['folds']} folds.",
        "Each history was held out whole, from the fit and from the choice of settings; those of",
        "the stored form are fixed. Columns by lots: mean absolute error / seed noise.",
        "Explainable: total variance minus seed noise.",
        "In brackets: 95 % of a bootstrap over histories; ratios draw the seed noise too.",
        "",
        "| lots | rows | inside the 50 % interval | inside the 90 % interval |",
        "|---|---|---|---|",
    ]
    for band, entry in own["coverage"].items():
        shares = " | ".join(_cell(entry, f"inside_{nominal}", 2) for nominal in (50, 90))
        lines.append(f"| {band} | {entry['rows']} | {shares} |")
    lines += [
        "",
        "Intervals are normal, around the prediction. Their standard deviation is the stored",
        "`noise`, by number of lots: seed noise and the model's error together.",
    ]
    return "\n".join(lines)


def _cell(figures: Mapping[str, Any], name: str, digits: int) -> str:
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
