"""The report of `validate live`: the surrogate against real rounds that it has never seen."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from copyright_gym.art.corpus import RunStore
from copyright_gym.art.fresh_histories import FreshHistory, fresh_histories, known_histories
from copyright_gym.art.live import pack_estimate, studio_name, trimmed
from copyright_gym.art.pack_studio import NOTHING, Brought, pack_studio, require_studio
from copyright_gym.art.time_estimate import spoken
from copyright_gym.art.workers import LocalWorkers
from copyright_gym.errors import PackError
from copyright_gym.pack import Pack, load_pack
from copyright_gym.pack_files import SURROGATE, read_manifest
from copyright_gym.whole_file import write_whole

Floats = NDArray[np.float64]

RULE: Final = (
    "agrees unless the lower end of the 95 % bootstrap interval of the mean absolute error, over "
    "whole histories, is above the published one of held-out histories"
)
_DRAWS: Final = 10_000


def validate_live(
    folder: Path,
    out: Path,
    *,
    number: int,
    seed: int,
    visited: Path | None,
    workers: int,
    brought: Brought = NOTHING,
) -> dict[str, Any]:
    """Play fresh histories for real and compare them with the surrogate's predictions.

    The report is stored as `report.json` in `out`, next to the records of real runs; an
    interrupted call goes on there.

    Args:
        folder: The pack's folder.
        out: Folder for the results.
        number: How many histories, see `fresh_histories`.
        seed: Seed of the histories.
        visited: File of histories that policies visited; None for those of heuristics.
        workers: Number of processes, each with one torch thread.
        brought: What the pack doesn't hold.

    Returns:
        The report, see `live_report`.

    Raises:
        OptionError: The file has too few fresh histories.
        PackError: The pack lacks a base model, a corpus or a published error.
    """
    pack = load_pack(folder)
    require_studio(pack, brought)
    published_error(pack)
    fresh = fresh_histories(pack, number, seed, visited)
    store = RunStore(out / "runs" / studio_name(pack))
    _play(pack, fresh, store, workers, brought)
    distances = [store.distances(item.run) for item in fresh]
    report = {"history_seed": seed, **live_report(pack, fresh, distances)}
    write_whole(out / "report.json", json.dumps(report, indent=1, sort_keys=True) + "\n")
    return report


def expected_time(
    folder: Path, *, number: int, seed: int, visited: Path | None, brought: Brought = NOTHING
) -> dict[str, Any]:
    """Measure how long rounds, episodes and `validate_live` with one worker take here.

    Args:
        folder: The pack's folder.
        number: As in `validate_live`.
        seed: As in `validate_live`.
        visited: As in `validate_live`.
        brought: What the pack doesn't hold.

    Returns:
        JSON-safe seconds, and a `summary` in words.
    """
    pack = load_pack(folder)
    fresh = fresh_histories(pack, number, seed, visited)
    estimate = pack_estimate(pack, brought)
    return {
        "pack": pack.name,
        "step_seconds": estimate.step,
        "measure_seconds": estimate.measure,
        "longest_episode_seconds": estimate.longest,
        "histories": number,
        "histories_seconds": sum(estimate.history(item.run.history) for item in fresh),
        "summary": str(estimate),
    }


def published_error(pack: Pack) -> dict[str, Any]:
    """Return the surrogate's report of a pack, with its error on held-out histories.

    Raises:
        PackError: The pack has none.
    """
    path = pack.folder / "surrogate.json"
    report = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if "held_out_mean_absolute_error" not in report:
        raise PackError(
            f"pack {pack.name!r} publishes no held-out error of its surrogate (surrogate.json), so "
            "there is nothing to compare with"
        )
    return dict(report)


def _play(
    pack: Pack, fresh: Sequence[FreshHistory], store: RunStore, workers: int, brought: Brought
) -> None:
    todo = [item.run for item in fresh if not store.finished(item.run)]
    if not todo:
        return
    estimate = pack_estimate(pack, brought)
    seconds = {run: estimate.history(run.history) for run in todo}
    print(
        f"{len(todo)} histories take about {spoken(sum(seconds.values()) / workers)} with "
        f"{workers} worker(s), if each has a core; {estimate}",
        file=sys.stderr,
    )
    # By expected seconds, so that the remaining time is right for short and long histories.
    with tqdm(
        total=sum(seconds.values()),
        desc="real histories",
        bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}",
    ) as bar:
        make_studio = functools.partial(pack_studio, pack, brought)
        done = LocalWorkers(workers).play(make_studio, todo, store.folder)
        for finished, run in enumerate(done, 1):
            bar.set_postfix_str(f"{finished} of {len(todo)}", refresh=False)
            bar.update(seconds[run])


def live_report(
    pack: Pack, fresh: Sequence[FreshHistory], distances: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """Compare measured with predicted qualities.

    A round counts if something was bought in it and no history of the corpus begins like that:
    other rounds have no new measurement, or one that the surrogate was fitted to.

    Args:
        pack: The pack.
        fresh: The histories.
        distances: The measured distance after each round of each history.

    Returns:
        JSON-safe figures. `agrees` follows `RULE`; it is None for a single history, which has no
        interval. Errors are prediction minus measurement.
    """
    known = known_histories(pack)
    rounds = [_rounds(pack, item, row, known) for item, row in zip(fresh, distances, strict=True)]
    by_kind: dict[str, list[list[dict[str, Any]]]] = {}
    for item, rows in zip(fresh, rounds, strict=True):
        by_kind.setdefault(item.kind, []).append(rows)
    published = published_error(pack)
    limit = published["held_out_mean_absolute_error"]
    figures = _figures(rounds)
    low = figures["mean_absolute_error_interval"][0]
    return {
        "pack": pack.name,
        "surrogate_sha256": read_manifest(pack.folder)["files"][SURROGATE],
        "histories": len(fresh),
        **figures,
        "by_kind": {kind: _figures(rows) for kind, rows in by_kind.items()},
        "published": {
            name: published[name]
            for name in sorted(published)
            if name.startswith("held_out") or name in ("form", "histories", "rows")
        },
        "seed_noise_std": pack.quality.noise_std,
        "rule": RULE,
        "agrees": None if len(fresh) < 2 else bool(low <= limit),
        "runs": [
            {
                "kind": item.kind,
                "source": item.source,
                "history": item.run.history,
                "training_seed": item.run.seed,
                "rounds": row,
            }
            for item, row in zip(fresh, rounds, strict=True)
        ],
    }


def _rounds(
    pack: Pack, item: FreshHistory, distances: Sequence[float], known: set[Any]
) -> list[dict[str, Any]]:
    history = item.run.history
    bought = np.zeros((len(history), pack.rounds, len(pack.holders)), bool)
    for t, members in enumerate(history):
        bought[t:, t, list(members)] = True
    predicted = pack.surrogate.quality(bought)
    measured = 1 - np.array(distances) / pack.quality.base_distance
    return [
        {
            "predicted": float(predicted[t]),
            "measured": float(measured[t]),
            "error": float(predicted[t] - measured[t]),
            "counts": bool(members) and trimmed(history[: t + 1]) not in known,
        }
        for t, members in enumerate(history)
    ]


def _figures(rounds: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Return the figures over the rounds that count, with intervals over histories."""
    counted = [[row for row in rows if row["counts"]] for rows in rounds]
    errors = [np.array([row["error"] for row in rows]) for rows in counted]
    measured = np.array([row["measured"] for rows in counted for row in rows])
    together = np.concatenate(errors)
    spread = float(np.square(measured - measured.mean()).sum())
    return {
        "rounds_counted": len(together),
        "mean_absolute_error": float(np.abs(together).mean()),
        "mean_absolute_error_interval": mean_interval([np.abs(row) for row in errors]),
        "bias": float(together.mean()),
        "bias_interval": mean_interval(errors),
        "largest_absolute_error": float(np.abs(together).max()),
        "r2": 1 - float(np.square(together).sum()) / spread if spread else None,
    }


def mean_interval(groups: Sequence[Floats]) -> list[float]:
    """Return the 95 % bootstrap interval of the mean of all values; whole groups are drawn anew.

    Args:
        groups: Values by group, each float64 (k,).

    Returns:
        Its lower and its upper end.
    """
    sums, counts = (np.array([f(group) for group in groups]) for f in (np.sum, len))
    draws = np.random.default_rng(0).integers(len(groups), size=(_DRAWS, len(groups)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return [float(low), float(high)]
