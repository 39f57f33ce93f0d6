"""Real fine-tuning histories: resumable, one record a run.

A run is a purchase history played by real fine-tuning. Each finished round is stored at once, and
long rounds on the way; a killed build goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from copyright_gym.art.studio import Studio
from copyright_gym.art.tensor_files import load_tensors, save_tensors
from copyright_gym.whole_file import write_whole

History = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Run:
    """A purchase history and the seed of its training.

    Attributes:
        history: For each round the indices of the holders whose lots are bought.
        seed: Seed of the training runs.
    """

    history: History
    seed: int

    @property
    def name(self) -> str:
        """A file name that is the same for the same run."""
        text = json.dumps([self.history, self.seed])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def signal_coalitions(holders: int) -> list[tuple[int, ...]]:
    """Return coalitions from empty to all: each single holder, pairs, halves and all but one."""
    singles = [(i,) for i in range(holders)]
    pairs = [tuple(sorted({0, holders // 2})), tuple(sorted({1, holders - 1}))]
    halves = [tuple(range(0, holders, 2)), tuple(range(1, holders, 2))]
    halves += [tuple(range(holders // 2)), tuple(range(holders // 2, holders))]
    most = [tuple(range(1, holders)), tuple(range(holders))]
    return list(dict.fromkeys([(), *singles, *pairs, *halves, *most]))  # few holders: some agree


def signal_runs(holders: int, rounds: int, seeds: int = 3) -> list[Run]:
    """Return the runs behind `validate signal`: coalitions for one round, all for all rounds."""
    everything = tuple(tuple(range(holders)) for _ in range(rounds))
    histories: list[History] = [everything]
    histories += [(members,) for members in signal_coalitions(holders)]
    return [Run(history, seed) for seed in range(seeds) for history in histories]


def corpus_runs(holders: int, rounds: int, count: int, seed: int) -> list[Run]:
    """Return random histories that cover what policies do; a longer list begins with a shorter one.

    Kinds in turn: dense, sparse, mixed over rounds, front-loaded, back-loaded, a fixed group of
    holders, few rounds only, a single holder. Every tenth run repeats an earlier history with
    another seed.

    Args:
        holders: Number of holders.
        rounds: Number of rounds.
        count: How many runs.
        seed: Seed of the histories.
    """
    runs: list[Run] = []
    for index in range(count):
        if index % 10 == 9:
            runs.append(Run(runs[index - 9].history, 1000 + index))
            continue
        rng = np.random.default_rng([seed, index])
        chance = _chances(index % 8, holders, rounds, rng)
        bought = rng.random((rounds, holders)) < chance
        if not bought.any():
            bought[rng.integers(rounds), rng.integers(holders)] = True
        runs.append(Run(tuple(tuple(np.flatnonzero(row).tolist()) for row in bought), index))
    return runs


def small_runs(holders: int, rounds: int, count: int, seed: int) -> list[Run]:
    """Return histories of one to three holders, as small budgets buy them.

    Such histories are the hardest to foresee. A longer list begins with a shorter one; every
    tenth run repeats an earlier history with another seed.

    Args:
        holders: Number of holders.
        rounds: Number of rounds.
        count: How many runs.
        seed: Seed of the histories.
    """
    runs: list[Run] = []
    for index in range(count):
        if index % 10 == 9:
            runs.append(Run(runs[index - 9].history, 5000 + index))
            continue
        rng = np.random.default_rng([seed, 4000 + index])
        group = rng.permutation(holders)[: index % 3 + 1]
        bought = rng.random((rounds, len(group))) < rng.uniform(0.3, 1.0)
        bought[rng.integers(rounds), rng.integers(len(group))] = True
        history = tuple(tuple(sorted(group[row].tolist())) for row in bought)
        runs.append(Run(history, 4000 + index))
    return runs


def visited_runs(histories: Sequence[History]) -> list[Run]:
    """Return runs of histories that policies visit; every ninth is played with two seeds.

    Args:
        histories: The histories, see `copyright_gym.benchmarks.visits`.
    """
    again = [Run(history, 3000 + i) for i, history in enumerate(histories) if i % 9 == 0]
    return [*(Run(history, 2000 + i) for i, history in enumerate(histories)), *again]


def _chances(kind: int, holders: int, rounds: int, rng: np.random.Generator) -> Any:
    """Return (rounds, holders) or (rounds, 1) chances that a lot is bought."""
    steps = np.linspace(1.0, 0.0, rounds)[:, None]
    if kind == 0:
        return np.full((rounds, 1), rng.uniform(0.5, 0.95))
    if kind == 1:
        return np.full((rounds, 1), rng.uniform(0.08, 0.3))
    if kind == 2:
        return rng.uniform(0.0, 1.0, (rounds, 1))
    if kind == 3:
        return rng.uniform(0.5, 1.0) * steps
    if kind == 4:
        return rng.uniform(0.5, 1.0) * (1 - steps)
    if kind == 5:
        group = rng.permutation(holders) < rng.integers(1, holders)
        return np.where(group, 0.9, 0.03)[None, :].repeat(rounds, axis=0)
    if kind == 6:
        return np.where(rng.permutation(rounds) < 2, rng.uniform(0.4, 1.0), 0.05)[:, None]
    return np.where(rng.permutation(holders) < 1, 0.7, 0.0)[None, :].repeat(rounds, axis=0)


class RunStore:
    """Finished rounds on disk: a JSON record a run, and weights as long as it is unfinished."""

    def __init__(self, folder: Path) -> None:
        """Open or create the folder."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def distances(self, run: Run) -> list[float]:
        """Return the distances of the rounds finished so far."""
        path = self.folder / f"{run.name}.json"
        if not path.exists():
            return []
        return [float(x) for x in json.loads(path.read_text(encoding="utf-8"))["distances"]]

    def finished(self, run: Run) -> bool:
        """Tell whether all rounds are stored."""
        return len(self.distances(run)) == len(run.history)

    def save(self, run: Run, distances: Sequence[float], weights: Any) -> None:
        """Store the rounds so far, and the weights that the next round starts from."""
        if len(distances) < len(run.history):
            save_tensors(self._weights_path(run, len(distances)), weights)
        self.save_distances(run, distances)
        self._weights_path(run, len(distances) - 1).unlink(missing_ok=True)

    def save_distances(self, run: Run, distances: Sequence[float]) -> None:
        """Store the distances alone."""
        record = {"history": run.history, "seed": run.seed, "distances": list(distances)}
        write_whole(self.folder / f"{run.name}.json", json.dumps(record))

    def weights(self, run: Run, rounds_done: int) -> Any:
        """Return the stored weights after `rounds_done` rounds."""
        return load_tensors(self._weights_path(run, rounds_done))[0]

    def unfinished_path(self, run: Run, t: int) -> Path:
        """Return where the steps of round `t` are kept until it is finished."""
        return self.folder / f"{run.name}.{t}.unfinished.safetensors"

    def _weights_path(self, run: Run, rounds_done: int) -> Path:
        return self.folder / f"{run.name}.{rounds_done}.safetensors"


def play_run(studio: Studio, run: Run, store: RunStore) -> list[float]:
    """Play a run from where it stopped; return the distance after each round."""
    distances = store.distances(run)
    if len(distances) == len(run.history):
        return distances
    weights = store.weights(run, len(distances)) if distances else studio.base_weights
    for t in range(len(distances), len(run.history)):
        unfinished = store.unfinished_path(run, t)
        weights = studio.train_round(weights, run.history[: t + 1], run.seed, unfinished)
        unchanged = distances and not run.history[t]
        distances.append(distances[-1] if unchanged else studio.measure(weights))
        store.save(run, distances, weights)
        unfinished.unlink(missing_ok=True)
    return distances
