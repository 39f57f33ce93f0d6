"""The report of `validate image-text`: a small image-text model as the metric's semantic part.

An experiment: the copyright metric does not use the model.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.copy_measures import PARTS
from copyright_gym.art.copy_report import HolderScores, Split, compared
from copyright_gym.art.copy_trials import Trials
from copyright_gym.art.features import pooled_features
from copyright_gym.art.image_text_choice import SEED, Grid, chosen_model, retrieved
from copyright_gym.art.image_text_pairs import Pairs, icon_pairs
from copyright_gym.art.lot_scores import DEFAULT_PARTS, holder_similarity, reference_works
from copyright_gym.art.pack_studio import NOTHING, pack_studio, pin_pack
from copyright_gym.art.projections import Projections
from copyright_gym.art.similarity import Similarity
from copyright_gym.art.stored_trials import StoredTrials
from copyright_gym.art.studio import Studio
from copyright_gym.art.validate_copyright import Plan, scored_trials
from copyright_gym.pack import load_pack
from copyright_gym.pack_files import IMAGE_TEXT, npz_bytes
from copyright_gym.whole_file import write_whole

_POOLED: Final = "pooled features"
_PLAIN: Final = "image-text"
_RELATIVE: Final = ("image-text, relative", "pooled features, relative")
_HALF: Final = 0.5
_SPLIT: Final = "test"


def measure_image_text(folder: Path, work: Path) -> dict[str, Any]:
    """Train the image-text model, and compare it with plain features on a pack's copies.

    The report is stored in `work` as `image_text.json`.

    Args:
        folder: The pack's folder.
        work: Where records are kept; an interrupted call goes on there. With the folder of
            `validate copyright --fresh`, copies that it scored are not scored again.

    Raises:
        OptionError: The folder's records are of another pack or were made with other networks.
        MissingWorksError: A set of icons is not on this machine.
        MissingExtraError: The package with the weights of MiniLM is not installed.
    """
    pack = load_pack(folder)
    pin_pack(pack, work, NOTHING, DEFAULT_PARTS)
    report = {
        "pack": pack.name,
        **report_image_text(
            icon_pairs(work), Grid(), functools.partial(pack_studio, pack), Plan(), work
        ),
    }
    write_whole(work / IMAGE_TEXT, json.dumps(report, indent=1, sort_keys=True) + "\n")
    return report


def report_image_text(
    pairs: dict[str, Pairs],
    grid: Grid,
    make_studio: Callable[[], Studio],
    plan: Plan,
    work: Path,
) -> dict[str, Any]:
    """Do the same for any pairs and studio; see `measure_image_text`."""
    model, settings, tried = chosen_model(pairs, grid)
    test = pairs["test"]
    retrieval = {
        "pairs": {split: len(of_split.images) for split, of_split in pairs.items()},
        "validation": tried,
        "settings": asdict(settings),
        "training": retrieved(model, pairs["training"]),
        "test": retrieved(model, test),
        "chance": {f"R@{first}": first / len(test.images) for first in (1, 5)},
    }
    studio = make_studio()
    trials = StoredTrials(studio, plan.sources, plan.negatives, work / "trials")
    split = Split(_scored(studio, trials, model, work))
    return {
        "retrieval": retrieval,
        "works": split.works,
        "measures": compared(split, _measures(), plan.draws),
        "plan": asdict(plan),
        "seed": SEED,
    }


def _measures() -> dict[str, dict[str, float]]:
    """Return the measures to compare, as weights of scores."""
    model, pooled = _RELATIVE
    semantic, perceptual = PARTS
    return {
        model: {model: 1.0},
        pooled: {pooled: 1.0},
        semantic: {semantic: 1.0},
        _PLAIN: {_PLAIN: 1.0},
        _POOLED: {_POOLED: 1.0},
        **{
            f"{name} + {perceptual}": {name: _HALF, perceptual: _HALF}
            for name in (model, pooled, semantic)
        },
    }


def _scored(
    studio: Studio, trials: StoredTrials, model: Projections, work: Path
) -> list[HolderScores]:
    """Return each holder's scores by the metric's parts, the plain measures and the model."""
    similarities = functools.cache(functools.partial(holder_similarity, studio))
    scored = scored_trials(trials, similarities, work / "copies", (_SPLIT,))[_SPLIT]
    joined = []
    for holder, scores in enumerate(tqdm(scored, desc="image-text")):
        path = work / "image_text" / f"{_SPLIT}_{holder}.npz"
        if not path.exists():
            further = _further(studio, trials(_SPLIT, holder), holder, model)
            write_whole(path, npz_bytes(further))
        with np.load(path) as stored:
            joined.append(replace(scores, scores={**scores.scores, **stored}))
    return joined


def _further(
    studio: Studio, trials: Trials, holder: int, model: Projections
) -> dict[str, NDArray[np.float64]]:
    """Return the (k, n) scores of a holder's trials by the model and by plain features.

    Both serve as the semantic part, relative to look-alikes, and the model also as plain cosine.
    """
    once = functools.lru_cache(maxsize=1)(pooled_features)  # one pass for both

    def of_model(pixels: Tensor) -> Tensor:
        return model.of_images(once(pixels))

    def of_network(pixels: Tensor) -> Tensor:
        return functional.normalize(once(pixels), dim=1)

    relative = Similarity(*reference_works(studio, holder), of_model, of_network)
    works = of_model(to_tensor(trials.works))
    with torch.no_grad():
        plain = [(works * of_model(to_tensor(c))).sum(dim=1) for c in trials.candidates]
    return {
        **dict(zip(_RELATIVE, relative(trials.works, trials.candidates), strict=True)),
        _PLAIN: torch.stack(plain).double().numpy(),
    }
