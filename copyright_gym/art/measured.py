"""Measured qualities of real fine-tuning, and how much they vary between seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.corpus import History, Run
from copyright_gym.errors import PackError
from copyright_gym.pack import Pack

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

DRAWS: Final = 2000  # of a bootstrap


@dataclass(frozen=True)
class Measured:
    """Measured qualities: one row for each round of each run that bought something.

    Attributes:
        bought: (n, T, H) bool, what was bought up to that round.
        quality: (n,) measured quality.
        group: (n,) index of the history; replicates share it.
    """

    bought: Bools
    quality: Floats
    group: Ints

    def __getitem__(self, chosen: NDArray[Any]) -> Measured:
        """Return the chosen rows."""
        return Measured(self.bought[chosen], self.quality[chosen], self.group[chosen])

    @property
    def lots(self) -> Ints:
        """How many lots were bought, (n,)."""
        return np.asarray(self.bought.sum(axis=(1, 2)), np.int64)

    @property
    def beginning(self) -> Ints:
        """Index of the first purchase, (n,); rows that differ in it share no training."""
        some = self.bought.any(axis=2)
        later = np.cumsum(some, axis=1) > 1
        return _classes(np.where(later[:, :, None], False, self.bought))


def measured_rows(
    records: Sequence[tuple[Run, Sequence[float]]],
    base_distance: float,
    rounds: int,
    holders: int,
) -> Measured:
    """Turn runs with their distances into rows.

    A round without a purchase changes nothing, and runs of one seed that begin alike share
    their first measurements; each measurement counts once.

    Args:
        records: Pairs of a run and the distance after each of its rounds.
        base_distance: Distance D0 of the base model.
        rounds: Number of rounds T.
        holders: Number of holders H.
    """
    bought, quality, group = [], [], []
    groups: dict[History, int] = {}
    seen: set[tuple[History, int]] = set()
    for run, distances in records:
        index = groups.setdefault(run.history, len(groups))
        so_far = np.zeros((rounds, holders), bool)
        for t, distance in enumerate(distances):
            so_far[t, list(run.history[t])] = True
            measurement = run.history[: t + 1], run.seed
            if run.history[t] and measurement not in seen:
                seen.add(measurement)
                bought.append(so_far.copy())
                quality.append(1 - distance / base_distance)
                group.append(index)
    return Measured(np.array(bought), np.array(quality), np.array(group))


def corpus_rows(pack: Pack) -> Measured:
    """Return the rows of a pack's stored corpus.

    Args:
        pack: The pack.

    Raises:
        PackError: If the pack holds no corpus.
    """
    import pyarrow.parquet as pq

    path = pack.folder / "corpus.parquet"
    if not path.exists():
        raise PackError(f"pack {pack.name!r} has no {path.name}: it was not built by fine-tuning")
    records: dict[Run, list[float]] = {}
    for row in pq.read_table(path).sort_by("round").to_pylist():
        run = Run(tuple(map(tuple, json.loads(row["history"]))), row["seed"])
        records.setdefault(run, []).append(row["distance"])
    rounds, holders = pack.surrogate.shape
    return measured_rows(list(records.items()), pack.quality.base_distance, rounds, holders)


@dataclass(frozen=True)
class SeedNoise:
    """Standard deviation of the quality between training seeds, the purchases being the same.

    Attributes:
        std: The pooled standard deviation.
        freedom: Its degrees of freedom.
        draws: (DRAWS,) bootstrap draws of it.
    """

    std: float
    freedom: int
    draws: Floats

    def report(self) -> dict[str, Any]:
        """Return JSON-safe figures with a 95 % interval."""
        low, high = np.quantile(self.draws, (0.025, 0.975))
        return {
            "std": self.std, "low": float(low), "high": float(high), "freedom": self.freedom
        }  # fmt: skip


def seed_noise(rows: Measured) -> SeedNoise:
    """Pool the variance over all purchases that were measured with several seeds.

    Each set of purchases counts with its degrees of freedom, whatever history it is part of. The
    bootstrap draws whole beginnings (`Measured.beginning`): rows of a run hang together.

    Args:
        rows: Measured qualities.

    Raises:
        ValueError: If nothing was measured twice.
    """
    same = _classes(rows.bought)
    count = np.bincount(same)
    mean = np.bincount(same, rows.quality) / count
    squares = np.bincount(rows.beginning, (rows.quality - mean[same]) ** 2)
    freedom = np.bincount(rows.beginning, 1 - 1 / count[same])
    replicated = freedom > 0.25  # else 0, but for rounding: two rows give 1
    squares, freedom = squares[replicated], freedom[replicated]
    if not len(freedom):
        raise ValueError("no purchases were measured with more than one seed")
    weights = bootstrap_weights(len(freedom))
    return SeedNoise(
        float(np.sqrt(squares.sum() / freedom.sum())),
        round(freedom.sum()),
        np.sqrt((weights @ squares) / (weights @ freedom)),
    )


def bootstrap_weights(size: int) -> Floats:
    """Return (DRAWS, size), how often each of `size` units is drawn, always with the same seed."""
    rng = np.random.default_rng(0)
    return rng.multinomial(size, np.full(size, 1 / size), DRAWS).astype(np.float64)


def _classes(bought: Bools) -> Ints:
    """Return the index (n,) of each row's purchases among the distinct ones."""
    flat = bought.reshape(len(bought), -1)
    return np.unique(flat, axis=0, return_inverse=True)[1].astype(np.int64).ravel()
