"""Why gradients do not say who raises quality: estimates varied, and the loss they stand for.

TRAK estimates by how much works lower a target's loss. Here that fall is measured on models that
were really fine-tuned, which shows what an exact TRAK could say of quality. And the estimates are
varied in timesteps and normalisation. What is stored is not computed again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from copyright_gym.art.adapters import Weights
from copyright_gym.art.attribution import ridge_scores
from copyright_gym.art.coalitions import Members, Qualities, measured_coalitions
from copyright_gym.art.gradients import gradient_features
from copyright_gym.art.holder_attribution import holder_report
from copyright_gym.art.lds import TARGET_KINDS, Plan, Retraining
from copyright_gym.art.pack_studio import Brought, pack_parts, pack_studio, pin_pack
from copyright_gym.art.validate_attribution import RIDGES, holder_estimates
from copyright_gym.pack import load_pack
from copyright_gym.pack_files import npz_bytes
from copyright_gym.whole_file import write_whole

Floats = NDArray[np.float64]

TIMESTEPS: Final = (1, 4)  # the figures of `validate attribution` are for 10
METHODS: Final = ("d-trak", "trak")


def causes_report(folder: Path, records: Path, brought: Brought) -> dict[str, Any]:
    """Compare measured falls of loss and varied estimates with measured coalitions.

    Args:
        folder: The pack's folder.
        records: Where records are kept; an interrupted call goes on there.
        brought: What the pack doesn't hold.

    Returns:
        JSON-safe figures: `holders` is what `holder_report` returns.

    Raises:
        OptionError: The folder's records were made with other settings than the pack.
        PackError: The pack has no corpus, or can't be fine-tuned on, see `require_studio`.
    """
    pack = load_pack(folder)
    qualities = measured_coalitions(folder)
    pin_pack(pack, records, brought, pack_parts(pack))
    studio = pack_studio(pack, brought)
    retraining = Retraining(studio, Plan(), records / "lds")
    falls = loss_falls(retraining, qualities, records / "losses")
    varied = varied_estimates(retraining, records / "gradients")
    estimates = {name: np.array(values) for name, values in (falls | varied).items()}
    report = holder_report(qualities, len(pack.holders), estimates)
    return {"pack": pack.name, "round": 1, "holders": report}


def loss_falls(
    retraining: Retraining, qualities: Qualities, folder: Path
) -> dict[str, list[float]]:
    """Measure by how much each holder's works lower the targets' losses, alone and last of all.

    Args:
        retraining: Trains a coalition again and holds the targets.
        qualities: Measured coalitions; each is trained again with a seed that it was measured
            with, so that loss and quality are those of one model.
        folder: Where the losses are kept.

    Returns:
        H mean falls for each kind of targets, and the mean of both falls.
    """
    studio = retraining.studio
    holders = range(len(studio.collection.holders))
    everyone = tuple(holders)
    alone = [(i,) for i in holders]
    rest = [everyone[:i] + everyone[i + 1 :] for i in holders]
    losses = {}
    for members in tqdm([(), *alone, everyone, *rest], "losses of coalitions", file=sys.stderr):
        losses[members] = _coalition_losses(retraining, members, qualities, folder)
    estimates: dict[str, list[float]] = {}
    for kind, part in zip(TARGET_KINDS, np.split(np.arange(len(losses[()])), 2), strict=True):
        mean = {members: values[part].mean() for members, values in losses.items()}
        first = np.array([mean[()] - mean[members] for members in alone])
        last = np.array([mean[members] - mean[everyone] for members in rest])
        estimates[f"true loss fall, alone, {kind}"] = first.tolist()
        estimates[f"true loss fall, left out, {kind}"] = last.tolist()
        estimates[f"true loss fall, mean of both, {kind}"] = ((first + last) / 2).tolist()
    return estimates


def _coalition_losses(
    retraining: Retraining, members: Members, qualities: Qualities, folder: Path
) -> Floats:
    studio = retraining.studio
    seed = min(qualities.get(members, {0: 0.0}))
    path = folder / f"{'_'.join(map(str, members)) or 'none'}.{seed}.json"
    if not path.exists():
        weights: Weights = studio.train_round(studio.base_weights, (members,), seed)
        record = {"holders": members, "seed": seed, "losses": retraining.losses(weights)}
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(record))
    return np.array(json.loads(path.read_text(encoding="utf-8"))["losses"])


def varied_estimates(retraining: Retraining, folder: Path) -> dict[str, list[float]]:
    """Estimate holders with gradients at the base model, by timesteps and normalisation.

    Args:
        retraining: Holds works and targets.
        folder: Where the features are kept.

    Returns:
        H values for each method, number of timesteps, kind of targets and normalisation: features
        as they are, or scaled to length 1.
    """
    sizes = [len(lot) for lot in retraining.studio.collection.lots[0]]
    estimates: dict[str, list[float]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    variants = [(count, name) for count in TIMESTEPS for name in METHODS]
    for count, name in tqdm(variants, "gradients", file=sys.stderr):
        works, targets = _features(retraining, name, count, folder / f"{name}_{count}.npz")
        candidates = {
            f"{name}, K = {count}": ridge_scores(works, targets, RIDGES),
            f"{name}, K = {count}, unit": ridge_scores(_unit(works), _unit(targets), RIDGES),
        }
        estimates |= holder_estimates(candidates, sizes)
    return estimates


def _features(
    retraining: Retraining, method: str, timesteps: int, path: Path
) -> tuple[Floats, Floats]:
    """Return the features of works and targets; kept at `path`."""
    if not path.exists():
        studio = retraining.studio
        works, targets = (
            gradient_features(
                studio.pipeline,
                studio.base_weights,
                part,
                dtrak=method == "d-trak",
                timesteps=timesteps,
            )
            for part in (retraining.works, retraining.targets)
        )
        write_whole(path, npz_bytes({"works": works, "targets": targets}))
    with np.load(path) as arrays:
        return arrays["works"], arrays["targets"]


def _unit(features: Floats) -> Floats:
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True))
