"""The contribution of each lot: how much of what the licensed model draws comes from it.

Sources: attribution by TRAK (Park et al., arXiv:2303.14186) or D-TRAK (Zheng et al.,
arXiv:2311.00500); Shapley values as in Ghorbani and Zou, arXiv:1904.02868. Turning them into
shares of credit is our reconstruction.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save

from copyright_gym.art.adapters import Weights, set_weights
from copyright_gym.art.attribution import AttributionLedger
from copyright_gym.art.feature_store import FeatureStore
from copyright_gym.art.finetune import TrainingSet
from copyright_gym.art.gradients import gradient_features
from copyright_gym.art.sampling import generate_latents
from copyright_gym.art.studio import Studio
from copyright_gym.coalition_game import round_shapley_values
from copyright_gym.errors import OptionError
from copyright_gym.pack_files import sha256
from copyright_gym.quality import Surrogate
from copyright_gym.whole_file import write_whole

Scores = NDArray[np.float64]

_SEED: Final = 7
_TIMESTEPS: Final = 4
# Chosen by the linear datamodeling score on subsets of `portrait`, see docs/attribution.md.
RIDGE: Final = {"d-trak": 1.0, "trak": 10.0}
_TARGETS_A_HOLDER: Final = 16


def lot_contributions(method: str, studio: Studio, surrogate: Surrogate, folder: Path) -> Scores:
    """Return the contribution of each lot.

    Args:
        method: `trak`, `d-trak` or `surrogate-shapley`.
        studio: Lots, base model and measurement.
        surrogate: The fitted quality model.
        folder: Where the licensed model and the features are kept.

    Returns:
        (T, H) float64, at least 0, mean 1.
    """
    if method == "surrogate-shapley":
        return shapley_contribution(surrogate)
    return attributed_contribution(studio, folder, method)


def attributed_contribution(studio: Studio, folder: Path, method: str) -> Scores:
    """Attribute what the fully licensed model draws to the lots.

    The model is fine-tuned on everything over all rounds and draws works from held-out captions.
    Each of these hands out the same credit, split between the training works in proportion to
    their attributions; negative ones count as 0. A lot's contribution is the credit of its works.

    Args:
        studio: Lots, base model and measurement.
        folder: Where the model and the features are kept; see `attribution_ledger`.
        method: `trak` or `d-trak`.

    Returns:
        (T, H) float64, mean 1.
    """
    credit = attribution_ledger(studio, folder, method).credit()
    lots = studio.collection.lots
    sums = np.empty((len(lots), len(lots[0])))
    for i, of_holder in enumerate(zip(*lots, strict=True)):
        ends = np.cumsum([len(lot) for lot in of_holder])[:-1]
        sums[:, i] = [part.sum() for part in np.split(credit[i], ends)]
    return np.asarray(sums / sums.mean())


def shapley_contribution(surrogate: Surrogate) -> Scores:
    """Return the lots' Shapley values in the rounds' games by the surrogate, at least 0, mean 1.

    Returns:
        (T, H) float64; see `round_shapley_values`.

    Raises:
        OptionError: By the surrogate no lot raises the quality.
    """
    values = np.maximum(round_shapley_values(surrogate), 0.0)
    if not values.any():
        raise OptionError(
            "by the surrogate no lot raises the quality, so Shapley values share out nothing; "
            "build with --contribution trak, or fine-tune longer"
        )
    return np.asarray(values / values.mean())


def attribution_ledger(studio: Studio, folder: Path, method: str) -> AttributionLedger:
    """Enter all holders of a studio, by their indices, into a ledger.

    Gradients are taken at the base model. The fully licensed model, which draws the targets, and
    each work's features are kept in `folder`. A later call finds them there: for a studio with
    more holders only the new works' features are computed.

    Args:
        studio: Lots, base model and measurement.
        folder: Where the model and the features are kept.
        method: `trak` or `d-trak`.

    Returns:
        The ledger; a holder's works stand in it in the order of rounds.
    """
    store = FeatureStore(folder / method)

    def features(works: TrainingSet, digests: tuple[str, ...]) -> Scores:
        return store.rows(
            digests,
            lambda positions: gradient_features(
                studio.pipeline, studio.base_weights, works[torch.from_numpy(positions)],
                dtrak=method == "d-trak", timesteps=_TIMESTEPS, seed=_SEED,
            ),
        )  # fmt: skip

    targets = _targets(studio, _licensed_model(studio, folder / "model.safetensors"))
    of_targets = tuple(sha256(latent.numpy().tobytes()) for latent in targets.latents)
    ledger = AttributionLedger(features(targets, of_targets), RIDGE[method])
    for i in range(len(studio.collection.holders)):
        digests = [lots[i].digests() for lots in studio.collection.lots]
        # Lot by lot, so that little is lost when a build is killed.
        rows = [
            features(sets[i], of_lot) for sets, of_lot in zip(studio.lot_sets, digests, strict=True)
        ]
        ledger.join(i, [*itertools.chain(*digests)], np.concatenate(rows))
    return ledger


def _licensed_model(studio: Studio, path: Path) -> Weights:
    """Return the weights after buying everything; trained once and kept at `path`."""
    if path.exists():
        return load_file(path)
    everyone = tuple(range(len(studio.collection.holders)))
    weights = studio.base_weights
    for t in range(len(studio.lot_sets)):
        weights = studio.train_round(weights, (everyone,) * (t + 1), seed=_SEED)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(weights))
    return weights


def _targets(studio: Studio, weights: Weights) -> TrainingSet:
    """Draw works of all holders' held-out captions."""
    holders = len(studio.collection.holders)
    per_holder = len(studio.conditions) // holders
    count = min(_TARGETS_A_HOLDER, per_holder)
    chosen = torch.cat([torch.arange(count) + i * per_holder for i in range(holders)])
    conditions = studio.conditions[chosen]
    set_weights(studio.pipeline.unet, weights)
    latents = generate_latents(
        studio.pipeline, conditions, studio.noise[chosen], sampling=studio.sampling
    )
    return TrainingSet(latents, conditions)
