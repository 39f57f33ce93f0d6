"""The report of `validate copyright`: does the copyright metric tell copies from look-alikes?"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from copyright_gym.art.copy_measures import measure
from copyright_gym.art.copy_report import HolderScores, copy_report
from copyright_gym.art.copy_trials import SPLITS
from copyright_gym.art.lot_scores import (
    DEFAULT_PARTS,
    CopyrightParts,
    holder_similarity,
    measured_lots,
)
from copyright_gym.art.memorisation import memorisation_curve
from copyright_gym.art.pack_studio import NOTHING, Brought, pack_parts, pack_studio, pin_pack
from copyright_gym.art.similarity import Similarity
from copyright_gym.art.stored_trials import TRAINING_SEED, StoredTrials
from copyright_gym.art.studio import Studio
from copyright_gym.pack import load_pack
from copyright_gym.pack_files import COPYRIGHT, npz_bytes
from copyright_gym.whole_file import write_whole


@dataclass(frozen=True)
class Plan:
    """The experiment.

    Attributes:
        sources: Works a holder and split, at most half a lot.
        negatives: Negatives of each kind a work.
        draws: Bootstrap draws.
        memorised_holders: Holders whose works a model is made to memorise.
        memorised_works: Works of each that it is trained on.
        memorisation_steps: Total steps after each stage.
        memorisation_seeds: Works drawn a caption after each stage.
    """

    sources: int = 16
    negatives: int = 4
    draws: int = 500
    memorised_holders: int = 2
    memorised_works: int = 8
    memorisation_steps: tuple[int, ...] = (0, 50, 100, 200)
    memorisation_seeds: int = 4


def measure_copyright(
    folder: Path,
    work: Path,
    brought: Brought = NOTHING,
    networks: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Score copies, negatives, memorised works and lots of a pack, and report on them.

    The report is stored in `work` as `copyright.json`.

    Args:
        folder: The pack's folder.
        work: Where records are kept; an interrupted call goes on there. With a pack's build
            folder, lots that the build scored already are not scored again.
        brought: What the pack doesn't hold.
        networks: Fields of `CopyrightParts` to use in place of the pack's, which names a file of
            weights without its folder.

    Raises:
        OptionError: The folder's records are of another pack or networks, or a network is unknown.
        PackError: The pack can't be fine-tuned on, see `require_studio`.
        MissingWeightsError: Weights of a network are not on this machine.
    """
    pack = load_pack(folder)
    parts = replace(pack_parts(pack), **(networks or {}))
    pin_pack(pack, work, brought, parts)
    parts.load()
    report = {
        "pack": pack.name,
        **measure_studio(functools.partial(pack_studio, pack, brought), Plan(), work, parts),
    }
    write_whole(work / COPYRIGHT, json.dumps(report, indent=1, sort_keys=True) + "\n")
    return report


def measure_studio(
    make_studio: Callable[[], Studio],
    plan: Plan,
    work: Path,
    parts: CopyrightParts = DEFAULT_PARTS,
) -> dict[str, Any]:
    """Do the same for a studio; see `measure_copyright`."""
    work.mkdir(parents=True, exist_ok=True)
    studio = make_studio()
    similarities = functools.cache(functools.partial(holder_similarity, studio, parts=parts))
    trials = StoredTrials(studio, plan.sources, plan.negatives, work / "trials")
    scores = scored_trials(trials, similarities, work / "copies")
    report = copy_report(scores, plan.draws)
    holders = range(min(plan.memorised_holders, len(studio.collection.holders)))
    report["memorisation"] = [
        {
            "holder": studio.collection.holders[i].name,
            "stages": _memorised(studio, similarities, plan, i, work / f"memorised_{i}.json"),
        }
        for i in tqdm(holders, desc="memorising")
    ]
    report["lots"] = lot_report(measured_lots(studio, work / "copyright", parts))
    report["parts"] = parts.named()
    report["plan"] = asdict(plan)
    report["seed"] = TRAINING_SEED
    return report


def scored_trials(
    trials: StoredTrials,
    similarities: Callable[[int], Similarity],
    folder: Path,
    splits: Sequence[str] = SPLITS,
) -> dict[str, list[HolderScores]]:
    """Return the scores of each split's trials by holder; stored ones are not made again.

    Args:
        trials: The trials.
        similarities: Returns the similarity measure of a holder.
        folder: Where scores are kept.
        splits: Which of `SPLITS` to score.
    """
    folder.mkdir(exist_ok=True)
    holders = range(len(trials.studio.collection.holders))
    paths = {(split, i): folder / f"{split}_{i}.npz" for i in holders for split in splits}
    todo = [key for key, path in paths.items() if not path.exists()]
    for split, i in tqdm(todo, desc="copies"):
        of_holder = trials(split, i)
        arrays = {
            "transforms": np.array(of_holder.transforms),
            "strengths": np.array(of_holder.strengths),
            "kinds": of_holder.kinds,
            **measure(similarities(i), of_holder),
        }
        write_whole(paths[split, i], npz_bytes(arrays))
    return {split: [HolderScores.load(paths[split, i]) for i in holders] for split in splits}


def _memorised(
    studio: Studio,
    similarities: Callable[[int], Similarity],
    plan: Plan,
    holder: int,
    path: Path,
) -> list[dict[str, Any]]:
    if not path.exists():
        rows = memorisation_curve(
            studio,
            similarities(holder),
            holder,
            plan.memorised_works,
            plan.memorisation_steps,
            plan.memorisation_seeds,
        )
        write_whole(path, json.dumps(rows))
    stored: list[dict[str, Any]] = json.loads(path.read_text())
    return stored


def lot_report(lots: list[list[NDArray[np.float64]]]) -> dict[str, Any]:
    """Summarise (2, seeds, works) similarities of each lot; lots may differ in size.

    Returns:
        By round and holder: mean, standard deviation of the mean between seeds, and of works
        between works. `reliability` is the share of the variance of the lots' means that is not
        noise of drawing with so many seeds.
    """
    scores = [[values.mean(axis=0) for values in row] for row in lots]
    by_seed = np.array([[lot.mean(axis=1) for lot in row] for row in scores])
    by_work = np.array([[lot.mean(axis=0).std(ddof=1) for lot in row] for row in scores])
    noise = by_seed.var(axis=2, ddof=1).mean() / by_seed.shape[2]
    spread = by_seed.mean(axis=2).var(ddof=1)
    return {
        "seeds": by_seed.shape[2],
        "mean": by_seed.mean(axis=2).round(4).tolist(),
        "seed_std": by_seed.std(axis=2, ddof=1).round(4).tolist(),
        "work_std": by_work.round(4).tolist(),
        "reliability": float(1 - noise / spread) if spread > 0 else None,
    }
