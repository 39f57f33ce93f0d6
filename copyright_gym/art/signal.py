"""Does quality answer to what is bought? Between-coalition variance against seed noise."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from copyright_gym.art.corpus import Run, RunStore, signal_runs
from copyright_gym.art.pack_studio import NOTHING, Brought, pack_studio
from copyright_gym.art.workers import LocalWorkers
from copyright_gym.pack import load_pack


def signal_report(
    distances: dict[Run, list[float]], base_distance: float, holders: int
) -> dict[str, Any]:
    """Summarise the runs of `signal_runs`.

    Quality is q = 1 - D / D0. The variance ratio is the variance of the coalitions' mean
    qualities after one round, over the mean variance between seeds of one coalition.

    Args:
        distances: Distances after each round, for each run.
        base_distance: Distance D0 of the base model.
        holders: Number of holders H.

    Returns:
        JSON-safe figures with the top-level key `variance_ratio`.
    """
    quality = {run: 1 - np.array(values) / base_distance for run, values in distances.items()}
    coalitions: dict[tuple[int, ...], list[float]] = {}
    full: list[Any] = []
    for run, values in quality.items():
        if len(run.history) == 1:
            coalitions.setdefault(run.history[0], []).append(float(values[0]))
        else:
            full.append(values)
    # Buying nothing trains nothing, so its seeds agree exactly; it would flatter the noise.
    seeded = {members: values for members, values in coalitions.items() if members}
    means = np.array([np.mean(values) for values in coalitions.values()])
    within = float(np.mean([np.var(values, ddof=1) for values in seeded.values()]))
    rounds = np.array(full)
    gains = np.diff(rounds, axis=1, prepend=0.0)
    gain_error = gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
    singles = {i: float(np.mean(coalitions[(i,)])) for i in range(holders)}
    return {
        "variance_ratio": float(np.var(means, ddof=1)) / within,
        "seed_noise_std": within**0.5,
        "base_distance": base_distance,
        "coalitions": [
            {"holders": list(members), "quality": [round(value, 6) for value in values]}
            for members, values in coalitions.items()
        ],
        "all_rounds_quality_mean": rounds.mean(axis=0).tolist(),
        "all_rounds_reduction": float(rounds[:, -1].mean()),
        "round_gain_mean": gains.mean(axis=0).tolist(),
        "round_gain_standard_error": gain_error.tolist(),
        "single_holder_quality": singles,
        "single_holder_worst": min(singles.values()),
        "seeds": len(full),
    }


def stored_signal(
    store: RunStore, base_distance: float, holders: int, rounds: int
) -> dict[str, Any]:
    """Return the report over finished runs in a store.

    Raises:
        ValueError: If runs are missing.
    """
    runs = signal_runs(holders, rounds)
    missing = [run for run in runs if not store.finished(run)]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(runs)} runs are not finished; run the build first"
        )
    return signal_report({run: store.distances(run) for run in runs}, base_distance, holders)


def measure_signal(
    folder: Path, work: Path, workers: int, brought: Brought = NOTHING
) -> dict[str, Any]:
    """Fine-tune and measure all signal runs of a pack again.

    Args:
        folder: The pack's folder.
        work: Where records of finished runs are kept; an interrupted call goes on there.
        workers: Number of processes.
        brought: What the pack doesn't hold.
    """
    from tqdm import tqdm

    pack = load_pack(folder)
    holders = len(pack.holders)
    make_studio = functools.partial(pack_studio, pack, brought)
    runs = signal_runs(holders, pack.rounds)
    played = LocalWorkers(workers).play(make_studio, runs, work)
    for _ in tqdm(played, total=len(runs), desc="signal"):
        pass
    store = RunStore(work)
    return stored_signal(store, store.distances(Run(((),), 0))[0], holders, pack.rounds)
