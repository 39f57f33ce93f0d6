"""What a pack knows of attribution against retrained models; light to import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from copyright_gym.art.coalitions import Qualities, measured_coalitions
from copyright_gym.art.holder_attribution import holder_report, pack_estimates
from copyright_gym.pack import load_pack
from copyright_gym.pack_files import ATTRIBUTION

_DRAWS: Final = 10_000


def stored_figures(folder: Path) -> dict[str, Any]:
    """Return what `attribution.json` in a pack's folder holds; nothing if there is none."""
    path = folder / ATTRIBUTION
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def attribution_report(
    folder: Path, measured: tuple[Mapping[str, Any], Qualities] | None = None
) -> dict[str, Any]:
    """Report what is known of a pack's attribution, and what is not.

    Args:
        folder: The pack's folder.
        measured: What `measure_attribution` returned, to be reported in place of what the pack
            holds.

    Returns:
        JSON-safe figures: `works` is None without linear datamodeling scores; `holders` is what
        `holder_report` returns.

    Raises:
        PackError: The pack has no corpus.
    """
    pack = load_pack(folder)
    stored, qualities = measured or (stored_figures(folder), {})
    estimates = {name: np.array(values) for name, values in stored.get("estimates", {}).items()}
    works = stored.get("works")
    if works is not None:
        works = {**works, "d-trak minus trak": method_differences(works["lds"])}
    report = holder_report(
        qualities or measured_coalitions(folder),
        len(pack.holders),
        pack_estimates(pack) | estimates,
    )
    return {"pack": pack.name, "round": 1, "works": works, "holders": report}


def method_differences(lds: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Return by how much D-TRAK's score is above TRAK's, target by target.

    Args:
        lds: The scores of each method, as `works_report` returns them.

    Returns:
        For the base and the fine-tuned model and each kind of targets: the mean difference and its
        95 % bootstrap interval over targets drawn anew. Subsets stay as they are.
    """
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for model, suffix in (("base model", ""), ("fine-tuned model", ", fine-tuned model")):
        first, second = lds.get(f"d-trak{suffix}"), lds.get(f"trak{suffix}")
        if first is None or second is None:
            continue
        found[model] = {}
        for kind in (kind for kind in first if kind != "ridge"):
            gaps = np.subtract(first[kind]["by_target"], second[kind]["by_target"])
            drawn = rng.choice(gaps, (_DRAWS, len(gaps))).mean(axis=1)
            low, high = np.quantile(drawn, (0.025, 0.975))
            found[model][kind] = {
                "mean": float(gaps.mean()), "low": float(low), "high": float(high)
            }  # fmt: skip
    return found
