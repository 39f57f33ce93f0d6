"""A plot of the weight sweep of `validate copyright`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def plot_weights(report: Mapping[str, Any], path: Path) -> None:
    """Plot ROC-AUC on validation and test works against the weight a of the semantic part.

    Args:
        report: A report of `validate copyright`.
        path: File to write; its ending names the format.
    """
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.add_subplot(
        xlabel="a, weight of the semantic part", ylabel="ROC-AUC", title=report["pack"]
    )
    weights = [row["a"] for row in report["weights"]]
    for split, marker in (("validation", "o"), ("test", "s")):
        values = [row[f"{split}_auc"] for row in report["weights"]]
        axes.plot(weights, values, marker=marker, label=split)
    axes.axvline(report["chosen_a"], linestyle=":", color="grey", label="chosen on validation")
    axes.legend()
    figure.savefig(path)
