"""The report of `validate attribution`: data attribution against really retrained models.

Two levels. Works: linear datamodeling scores on random halves of one round. Holders: summed
attributions against exact Shapley values and leave-one-out over all coalitions of that round.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from copyright_gym.art.attribution import ridge_scores
from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.coalitions import (
    SEEDS,
    coalition_qualities,
    coalition_runs,
    coalition_table,
)
from copyright_gym.art.corpus import Run, RunStore
from copyright_gym.art.features import pooled_features
from copyright_gym.art.gradients import gradient_features
from copyright_gym.art.lds import (
    TARGET_KINDS,
    Plan,
    Retraining,
    bootstrap_interval,
    retrain,
    round_works,
    stored_losses,
    target_correlations,
)
from copyright_gym.art.live import pack_studio
from copyright_gym.art.lot_scores import shared_credit
from copyright_gym.art.studio import Studio
from copyright_gym.art.workers import LocalWorkers
from copyright_gym.coalition_game import all_coalitions, leave_one_out, shapley_values
from copyright_gym.pack import Pack, load_pack
from copyright_gym.pack_files import npz_bytes
from copyright_gym.quality import Surrogate

Scores = NDArray[np.float64]

RIDGES: Final = tuple(10.0**power for power in range(-5, 6))
# Zheng et al., arXiv:2311.00500, LoRA on ArtBench-2, K = 10: held-out and generated targets.
ANCHORS: Final = {"d-trak": (0.279, 0.244), "trak": (0.124, 0.079)}


def measure_attribution(folder: Path, work: Path, workers: int) -> dict[str, Any]:
    """Make all retrainings and coalition runs of a pack, and report on them.

    The report is stored as `attribution.json`, the coalitions' qualities as `coalitions.parquet`.

    Args:
        folder: The pack's folder.
        work: Where records are kept; an interrupted call goes on there. With a pack's build
            folder, coalition runs that the build made already are not made again.
        workers: Number of processes.
    """
    pack = load_pack(folder)
    plan = Plan()
    make_studio = functools.partial(pack_studio, pack)
    works = measure_works(make_studio, plan, work / "lds", workers)
    runs = coalition_runs(len(pack.holders))
    done = LocalWorkers(workers).play(make_studio, runs, work / "runs")
    store = RunStore(work / "runs")
    todo = sum(not store.finished(run) for run in runs)
    for _ in tqdm(done, total=todo, desc="coalitions"):
        pass
    base_distance = store.distances(Run(((),), 0))[0]
    qualities = coalition_qualities(store, len(pack.holders), base_distance)
    scores = np.load(work / "lds" / "scores.npz")
    report = {
        "pack": pack.name,
        "round": 1,
        "works": works,
        "holders": holder_report(qualities, holder_estimates(pack, plan, qualities, scores)),
    }
    text = json.dumps(report, indent=1, sort_keys=True) + "\n"
    for name, data in (
        ("coalitions.parquet", coalition_table(store, len(pack.holders), base_distance)),
        ("attribution.json", text.encode()),
    ):
        temporary = work / f"{name}.part"
        temporary.write_bytes(data)
        temporary.rename(work / name)
    return report


def measure_works(
    make_studio: Callable[[], Studio], plan: Plan, folder: Path, workers: int
) -> dict[str, Any]:
    """Retrain on all subsets and report each method's linear datamodeling score.

    The scores of all methods at their chosen ridges are stored as `scores.npz`.

    Args:
        make_studio: Builds the studio; must be picklable.
        plan: The experiment.
        folder: Where records are kept.
        workers: Number of processes.
    """
    studio = make_studio()
    retraining = Retraining(studio, plan, folder)
    candidates = method_scores(retraining, folder / "features.npz")
    subsets = retraining.subsets
    todo = plan.chosen_on + plan.reported
    for _ in tqdm(
        retrain(make_studio, plan, folder, workers), total=todo * plan.seeds, desc="retraining"
    ):
        pass
    losses = stored_losses(folder, plan)
    report, chosen = works_report(candidates, subsets, losses, plan.chosen_on)
    (folder / "scores.npz").write_bytes(npz_bytes(chosen))
    return {
        **report,
        "subsets": plan.reported,
        "subsets_for_ridge": plan.chosen_on,
        "seeds": plan.seeds,
        "targets_a_kind": losses.shape[1] // 2,
        "works": subsets.shape[1],
        "anchors": {name: list(values) for name, values in ANCHORS.items()},
    }


def method_scores(retraining: Retraining, cache: Path) -> dict[str, Scores]:
    """Return (r, n, m) scores of each method; r = 1 for methods without a ridge.

    Gradient features are kept in `cache`.
    """
    studio = retraining.studio
    if not cache.exists():
        features = {
            f"{name}_{part}": gradient_features(
                studio.pipeline, retraining.full, works, dtrak=name == "d-trak"
            )
            for name in ("trak", "d-trak")
            for part, works in (("works", retraining.works), ("targets", retraining.targets))
        }
        temporary = cache.with_name("part.npz")
        temporary.write_bytes(npz_bytes(features))
        temporary.rename(cache)
    stored = np.load(cache)
    scores = {
        name: ridge_scores(stored[f"{name}_works"], stored[f"{name}_targets"], RIDGES)
        for name in ("d-trak", "trak")
    }
    works = round_works(studio).images
    targets = np.concatenate([retraining.held_out.images, retraining.generated])
    embeddings: dict[str, Callable[[NDArray[np.uint8]], Scores]] = {
        "pixels": lambda images: to_tensor(images).flatten(1).double().numpy(),
        "pooled features": lambda images: pooled_features(to_tensor(images)).double().numpy(),
    }
    for name, embed in embeddings.items():
        first, second = embed(works), embed(targets)
        centre = first.mean(axis=0)
        units = [
            (x - centre) / np.linalg.norm(x - centre, axis=1)[:, None] for x in (first, second)
        ]
        scores[name] = (units[0] @ units[1].T)[None]
    shape = (1, len(works), len(targets))
    scores["random"] = np.random.default_rng(0).standard_normal(shape)
    return scores


def works_report(
    candidates: Mapping[str, Scores], subsets: NDArray[np.bool_], losses: Scores, chosen_on: int
) -> tuple[dict[str, Any], dict[str, Scores]]:
    """Choose each method's ridge on the first subsets, report on the others.

    Returns:
        The figures, and each method's (n, m) scores at its ridge.
    """
    half = losses.shape[1] // 2
    kinds = dict(zip(TARGET_KINDS, (slice(half), slice(half, None)), strict=True))
    table: dict[str, Any] = {}
    chosen = {}
    for name, scores in candidates.items():
        tuned = [
            target_correlations(x, subsets[:chosen_on], losses[:chosen_on]).mean() for x in scores
        ]
        best = int(np.argmax(tuned))
        chosen[name] = scores[best]
        table[name] = {"ridge": RIDGES[best] if len(scores) > 1 else None}
        for kind, part in kinds.items():
            arguments = scores[best][:, part], subsets[chosen_on:], losses[chosen_on:, part]
            low, high = bootstrap_interval(*arguments)
            correlations = target_correlations(*arguments)
            table[name][kind] = {
                "mean": float(correlations.mean()),
                "low": low,
                "high": high,
                "by_target": [round(float(x), 4) for x in correlations],
            }
    return {"lds": table}, chosen


def holder_estimates(
    pack: Pack, plan: Plan, qualities: Scores, scores: Mapping[str, Scores]
) -> dict[str, Scores]:
    """Return what each estimator says of the holders in the first round, each (H,)."""
    holders = len(pack.holders)
    half = plan.targets * holders
    parts = {"held-out": slice(half), "generated": slice(half, None)}
    estimates = {
        f"{name}, {kind}": scores[name][:, part].reshape(holders, -1).sum(axis=1)
        for name in ("d-trak", "trak", "pixels", "pooled features")
        for kind, part in parts.items()
    }
    credit = shared_credit(scores["d-trak"][:, half:])
    estimates["d-trak credit, generated"] = credit.reshape(holders, -1).sum(axis=1)
    mean = qualities.mean(axis=1)
    estimates["alone"] = mean[1 << np.arange(holders)]
    estimates["surrogate Shapley"] = surrogate_shapley(pack.surrogate)[0]
    return estimates


def surrogate_shapley(surrogate: Surrogate) -> Scores:
    """Return (T, H) Shapley values of each round's lots, all earlier lots bought.

    Exact on the surrogate's 2**H coalitions of a round; no further fine-tuning is needed.
    """
    rounds, holders = surrogate.shape
    coalitions = all_coalitions(holders)
    values = []
    for t in range(rounds):
        bought = np.zeros((2**holders, rounds, holders), bool)
        bought[:, :t] = True
        bought[:, t] = coalitions
        values.append(shapley_values(surrogate.quality(bought)))
    return np.array(values)


def holder_report(qualities: Scores, estimates: Mapping[str, Scores]) -> dict[str, Any]:
    """Compare estimates with exact Shapley values and leave-one-out.

    Args:
        qualities: (2**H, seeds) measured qualities.
        estimates: (H,) values of each estimator.
    """
    from scipy.stats import pearsonr, spearmanr

    mean = qualities.mean(axis=1)
    truths = {"shapley": shapley_values(mean), "leave_one_out": leave_one_out(mean)}
    by_seed = [shapley_values(values) for values in qualities.T]
    return {
        "shapley": truths["shapley"].tolist(),
        "shapley_by_seed": [values.tolist() for values in by_seed],
        "leave_one_out": truths["leave_one_out"].tolist(),
        "seeds": SEEDS,
        "estimates": {
            name: {
                "values": values.tolist(),
                **{
                    f"{truth}_{kind}": float(measure(values, exact).statistic)
                    for truth, exact in truths.items()
                    for kind, measure in (("spearman", spearmanr), ("pearson", pearsonr))
                },
            }
            for name, values in estimates.items()
        },
    }
