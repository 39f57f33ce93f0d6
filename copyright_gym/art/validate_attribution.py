"""What `validate attribution` measures: data attribution against really retrained models.

Two levels. Works: linear datamodeling scores on random halves of one round. Holders: summed
attributions against coalitions of that round, see `holder_attribution`.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from copyright_gym.art.attribution import ridge_scores, shared_credit
from copyright_gym.art.attribution_report import stored_figures
from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.coalitions import (
    Qualities,
    coalition_runs,
    coalition_table,
    finished_coalitions,
    measured_coalitions,
    merged,
)
from copyright_gym.art.contributions import RIDGE
from copyright_gym.art.corpus import RunStore
from copyright_gym.art.features import pooled_features
from copyright_gym.art.gradients import gradient_features
from copyright_gym.art.lds import (
    TARGET_KINDS,
    Plan,
    Retraining,
    bootstrap_interval,
    noise_ceiling,
    retrain,
    round_works,
    stored_losses,
    target_correlations,
)
from copyright_gym.art.pack_studio import NOTHING, Brought, pack_parts, pack_studio, pin_pack
from copyright_gym.art.studio import Studio
from copyright_gym.art.workers import LocalWorkers
from copyright_gym.pack import Pack
from copyright_gym.pack_files import ATTRIBUTION, COALITIONS, npz_bytes
from copyright_gym.whole_file import write_whole

Scores = NDArray[np.float64]

MOST_HOLDERS: Final = 12
RIDGES: Final = tuple(10.0**power for power in range(-5, 6))
# Zheng et al., arXiv:2311.00500, LoRA on ArtBench-2, K = 10: held-out and generated targets.
ANCHORS: Final = {"d-trak": (0.279, 0.244), "trak": (0.124, 0.079)}


@dataclass(frozen=True)
class Measuring:
    """What to measure by really retraining, and where.

    Attributes:
        folder: Where records are kept; an interrupted call goes on there. With a pack's build
            folder, coalition runs that the build made already are not made again.
        missing: Whether to measure only what the pack doesn't hold, and not all anew.
        workers: Number of processes.
        brought: What the pack doesn't hold of works and base model.
    """

    folder: Path
    missing: bool = False
    workers: int = 1
    brought: Brought = NOTHING


def measure_attribution(pack: Pack, measuring: Measuring) -> tuple[dict[str, Any], Qualities]:
    """Measure a pack's attribution by really retraining.

    First each method's scores of the holders, then the linear datamodeling scores, then all
    coalitions of up to 12 holders. The figures so far are stored as `attribution.json`, the
    coalitions so far as `coalitions.parquet`. The next build in the folder takes both into the
    pack, as does `packs add`.

    Args:
        pack: The pack.
        measuring: What to measure.

    Returns:
        What `attribution.json` holds, `estimates` and `works`, and the coalitions' qualities;
        none with more holders.

    Raises:
        OptionError: The folder's records were made with other settings than the pack.
        PackError: The pack can't be fine-tuned on, see `require_studio`.
    """
    work, brought = measuring.folder, measuring.brought
    pin_pack(pack, work, brought, pack_parts(pack))
    make_studio = functools.partial(pack_studio, pack, brought)
    report = stored_figures(pack.folder) if measuring.missing else {}
    if "works" not in report:
        for part in measure_works(make_studio, Plan(), work / "lds", measuring.workers):
            report |= part
            write_whole(work / ATTRIBUTION, json.dumps(report, indent=1, sort_keys=True) + "\n")
    if len(pack.holders) > MOST_HOLDERS:
        text = f"{len(pack.holders)} holders have too many coalitions to fine-tune on all"
        tqdm.write(text, sys.stderr)
        return report, {}
    return report, _measure_coalitions(pack, make_studio, measuring)


def _measure_coalitions(
    pack: Pack, make_studio: Callable[[], Studio], measuring: Measuring
) -> Qualities:
    known = measured_coalitions(pack.folder) if measuring.missing else {}
    runs = coalition_runs(len(pack.holders), known)
    store = RunStore(measuring.folder / "runs")

    def keep() -> Qualities:
        found = finished_coalitions(store, runs, pack.quality.base_distance)
        found = merged(known, found)
        write_whole(measuring.folder / COALITIONS, coalition_table(found))
        return found

    todo = sum(not store.finished(run) for run in runs)
    done = LocalWorkers(measuring.workers).play(make_studio, runs, store.folder)
    for _ in tqdm(done, total=todo, desc="coalitions"):
        keep()
    return keep()


def measure_works(
    make_studio: Callable[[], Studio], plan: Plan, folder: Path, workers: int
) -> Iterator[dict[str, Any]]:
    """Score holders by each method, then retrain on all subsets.

    Args:
        make_studio: Builds the studio; must be picklable.
        plan: The experiment.
        folder: Where records are kept.
        workers: Number of processes.

    Yields:
        `estimates`: each method's scores of the first round's holders; then `works`: its linear
        datamodeling score.
    """
    studio = make_studio()
    retraining = Retraining(studio, plan, folder)
    candidates = method_scores(retraining, folder)
    sizes = [len(lot) for lot in studio.collection.lots[0]]
    yield {"estimates": holder_estimates(candidates, sizes)}
    subsets = retraining.subsets
    todo = (plan.chosen_on + plan.reported) * plan.seeds
    for _ in tqdm(retrain(make_studio, plan, folder, workers), total=todo, desc="retraining"):
        pass
    by_seed = stored_losses(folder, plan)
    losses = by_seed.mean(axis=1)
    reported = np.split(by_seed[plan.chosen_on :], 2, axis=2)
    yield {
        "works": {
            "lds": works_report(candidates, subsets, losses, plan.chosen_on),
            "ceiling": dict(zip(TARGET_KINDS, map(noise_ceiling, reported), strict=True)),
            "subsets": plan.reported,
            "subsets_for_ridge": plan.chosen_on,
            "seeds": plan.seeds,
            "targets_a_kind": losses.shape[1] // 2,
            "works": subsets.shape[1],
            "anchors": {name: list(values) for name, values in ANCHORS.items()},
        }
    }


def method_scores(retraining: Retraining, folder: Path) -> dict[str, Scores]:
    """Return (r, n, m) scores of each method; r = 1 for methods without a ridge.

    Gradients are taken at the base model, which is how packs get their contributions, and at the
    model that was fine-tuned on everything. They are kept in `folder`.
    """
    studio = retraining.studio
    scores: dict[str, Scores] = {}
    for model, weights in (("base", studio.base_weights), ("fine-tuned", retraining.full)):
        cache = folder / f"features_{model}.npz"
        if not cache.exists():
            features = {
                f"{name}_{part}": gradient_features(
                    studio.pipeline, weights, works, dtrak=name == "d-trak"
                )
                for name in ("trak", "d-trak")
                for part, works in (("works", retraining.works), ("targets", retraining.targets))
            }
            write_whole(cache, npz_bytes(features))
        stored = np.load(cache)
        for name in ("d-trak", "trak"):
            label = name if model == "base" else f"{name}, {model} model"
            works, targets = stored[f"{name}_works"], stored[f"{name}_targets"]
            scores[label] = ridge_scores(works, targets, RIDGES)
    images = round_works(studio).images
    drawn = np.concatenate([retraining.held_out.images, retraining.generated])
    embeddings: dict[str, Callable[[NDArray[np.uint8]], Scores]] = {
        "pixels": lambda images: to_tensor(images).flatten(1).double().numpy(),
        "pooled features": lambda images: pooled_features(to_tensor(images)).double().numpy(),
    }
    for name, embed in embeddings.items():
        first, second = embed(images), embed(drawn)
        centre = first.mean(axis=0)
        units = [
            (x - centre) / np.linalg.norm(x - centre, axis=1)[:, None] for x in (first, second)
        ]
        scores[name] = (units[0] @ units[1].T)[None]
    shape = (1, len(images), len(drawn))
    scores["random"] = np.random.default_rng(0).standard_normal(shape)
    return scores


def works_report(
    candidates: Mapping[str, Scores], subsets: NDArray[np.bool_], losses: Scores, chosen_on: int
) -> dict[str, Any]:
    """Choose each method's ridge on the first subsets, report on the others by target kind."""
    half = losses.shape[1] // 2
    kinds = dict(zip(TARGET_KINDS, (slice(half), slice(half, None)), strict=True))
    table: dict[str, Any] = {}
    for name, scores in candidates.items():
        tuned = [
            target_correlations(x, subsets[:chosen_on], losses[:chosen_on]).mean() for x in scores
        ]
        best = int(np.argmax(tuned))
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
    return table


def holder_estimates(
    candidates: Mapping[str, Scores], sizes: Sequence[int]
) -> dict[str, list[float]]:
    """Sum the scores of each holder's works, at the ridge that contributions use.

    Args:
        candidates: (r, n, m) scores of each method, as `method_scores` returns them.
        sizes: Number of works of each holder; they sum to n.

    Returns:
        H values for each method and kind of targets; for those with a ridge also the credit.
    """
    ends = np.cumsum(sizes)[:-1]
    estimates = {}
    for name, scores in candidates.items():
        method = name.partition(",")[0]
        chosen = scores[RIDGES.index(RIDGE[method]) if method in RIDGE else 0]
        for kind, part in zip(TARGET_KINDS, np.split(chosen, 2, axis=1), strict=True):
            by_work = {f"{name}, {kind}": part.sum(axis=1)}
            if method in RIDGE:
                by_work[f"{name} credit, {kind}"] = shared_credit(part)
            for label, values in by_work.items():
                estimates[label] = [float(x.sum()) for x in np.split(values, ends)]
    return estimates
