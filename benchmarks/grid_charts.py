"""Charts of a benchmark: qualities by budget, and performance profiles."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copyright_gym.benchmarks.contestants import ORACLE
from copyright_gym.benchmarks.statistics import performance_profile
from copyright_gym.whole_file import write_whole

Floats = NDArray[np.float64]


def oracle_shares(policies: dict[str, Floats], policy: str) -> Floats:
    """Return a policy's quality over the oracle's on the same market.

    Args:
        policies: by policy its qualities, float64 (trainings, n); the oracle is among them.
        policy: one of them.

    Returns:
        float64 (trainings, n).
    """
    return policies[policy] / np.maximum(policies[ORACLE], 1e-9)


def draw_grid(groups: dict[tuple[str, float], dict[str, Floats]], folder: Path) -> None:
    """Draw `quality.png`, mean qualities by budget, and `profiles.png`, performance profiles.

    Args:
        groups: what `qualities` returned; a panel per pack.
        folder: where the charts go.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    packs = sorted({pack for pack, _ in groups})
    grid = np.linspace(0, 1.05, 211)
    for name, label in (("quality", "budget rho"), ("profiles", "share of the oracle's quality")):
        figure = Figure(figsize=(9.0, 5.0 * len(packs)), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, pack in zip(figure.subplots(len(packs), squeeze=False)[:, 0], packs, strict=True):
            here = {rho: policies for (p, rho), policies in groups.items() if p == pack}
            for policy in sorted({policy for policies in here.values() for policy in policies}):
                played = {r: p[policy] for r, p in here.items() if policy in p}
                if name == "quality":
                    means = [float(values.mean()) for values in played.values()]
                    axes.plot(list(played), means, "o-", label=policy)
                    continue
                shares = [
                    oracle_shares(here[rho], policy).ravel()
                    for rho, values in played.items()
                    if ORACLE in here[rho] and policy != ORACLE
                ]
                if shares:
                    profile = performance_profile(np.concatenate(shares), grid)
                    axes.plot(grid, profile, label=policy)
            axes.set_title(pack)
            axes.set_xlabel(label)
            axes.set_ylabel("final quality" if name == "quality" else "part of markets above")
            if axes.lines:
                axes.legend(loc="best", fontsize="x-small")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
        write_whole(folder / f"{name}.png", buffer.getvalue())
