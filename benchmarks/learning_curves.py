"""Learning curves: what trainings wrote beside their policies, together in a table and a chart."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.agents.learning_curve import CURVE_SEEDS
from copyright_gym.agents.provenance import pack_fingerprint
from copyright_gym.benchmarks.statistics import Interval, bootstrap
from copyright_gym.benchmarks.text import csv_table
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.pack import load_pack
from copyright_gym.whole_file import write_whole

CURVE = "curve.json"

Training = tuple[str, float, str, int]
"""Pack, rho, policy and interaction budget; its seeds are averaged over."""


def curve_bytes(
    policy: str, config: MarketConfig, seed: int, budget: int, curve: Sequence[tuple[int, float]]
) -> bytes:
    """Write the curve of one training as JSON.

    Args:
        policy: name of the contestant.
        config: options of the markets.
        seed: seed of the training.
        budget: interaction budget in holder decisions.
        curve: steps and mean qualities.

    Returns:
        The file's bytes.
    """
    pack = load_pack(config.pack)
    facts = {
        "policy": policy,
        "pack": pack.name,
        "pack_sha256": pack_fingerprint(pack),
        "quality_model": config.quality,
        "rho": config.rho,
        "training_seed": seed,
        "training_steps": budget,
        "market_seeds": [CURVE_SEEDS.start, CURVE_SEEDS.stop],
        "steps": [steps for steps, _ in curve],
        "quality": [quality for _, quality in curve],
    }
    return (json.dumps(facts, indent=2) + "\n").encode()


def read_curves(folder: Path) -> dict[Training, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Read the curves of a benchmark's trainings.

    Args:
        folder: what `bench run` wrote.

    Returns:
        By training: steps, int64 (k,), and mean qualities by seed, float64 (seeds, k). Nothing if
        nothing was trained there.

    Raises:
        OptionError: a file is damaged, or seeds were watched at different steps.
    """
    found: dict[Training, list[dict[str, Any]]] = {}
    for path in sorted((folder / "trained").glob(f"*/{CURVE}")):
        if path.parent.name.startswith("."):  # a draft of a training that was killed
            continue
        try:
            facts = json.loads(path.read_text())
            key = facts["pack"], facts["rho"], facts["policy"], facts["training_steps"]
            rows = found.setdefault(key, [])
            rows.append({name: facts[name] for name in ("steps", "quality", "pack_sha256")})
        except (ValueError, KeyError, TypeError) as error:
            raise OptionError(f"{path} is no learning curve or is damaged: {error!r}") from error
        if any(rows[0][name] != rows[-1][name] for name in ("steps", "pack_sha256")):
            raise OptionError(
                f"{path} is of another version of the pack or was watched at other steps than its "
                "neighbours; remove the old trainings"
            )
    return {
        key: (np.array(rows[0]["steps"]), np.array([row["quality"] for row in rows]))
        for key, rows in sorted(found.items())
    }


def write_curves(folder: Path) -> None:
    """Write `learning.csv` and `learning.png`, if something was trained there.

    Lines are means over the seeds of the trainings, with 95 % bootstrap intervals over seeds where
    there are several.

    Args:
        folder: what `bench run` wrote.

    Raises:
        OptionError: as in `read_curves`.
    """
    curves = read_curves(folder)
    if not curves:
        return
    points: dict[Training, list[tuple[int, Interval]]] = {
        key: [
            (step, bootstrap(values, seed=0))
            for step, values in zip(steps.tolist(), qualities.T, strict=True)
        ]
        for key, (steps, qualities) in curves.items()
    }
    header = ("pack", "rho", "policy", "budget", "seeds", "steps", "quality", "low", "high")
    rows = [
        (*key, seeds, step, mean, *((low, high) if seeds > 1 else ("", "")))
        for key, line in points.items()
        for seeds in [len(curves[key][1])]
        for step, (mean, low, high) in line
    ]
    write_whole(folder / "learning.csv", csv_table(header, rows))
    write_whole(folder / "learning.png", _chart(points))


def _chart(points: dict[Training, list[tuple[int, Interval]]]) -> bytes:
    """Draw a panel per pack and budget of money."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = sorted({(pack, rho) for pack, rho, _, _ in points})
    figure = Figure(figsize=(9.0, 5.0 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        for (pack, rho, policy, budget), line in points.items():
            if (pack, rho) != panel:
                continue
            steps = [step for step, _ in line]
            (drawn,) = axes.plot(
                steps, [i.estimate for _, i in line], label=f"{policy}, {budget:,} steps"
            )
            axes.fill_between(
                steps,
                [i.low for _, i in line],
                [i.high for _, i in line],
                color=drawn.get_color(),
                alpha=0.2,
            )
        axes.set_title(f"{panel[0]}, rho {panel[1]:g}")
        axes.set_xlabel("holder decisions seen in training")
        axes.set_ylabel("final quality (mean over trainings, 95 %)")
        axes.legend(loc="best", fontsize="x-small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
