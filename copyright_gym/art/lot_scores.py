"""The copyright loss of each lot, really measured."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from copyright_gym.art.adapters import set_weights
from copyright_gym.art.diffusion import Conditions
from copyright_gym.art.embeddings import perceptual_embedding, semantic_embedding
from copyright_gym.art.similarity import Similarity
from copyright_gym.art.studio import Studio
from copyright_gym.whole_file import write_whole

GENERATIONS: Final = 8  # works generated a caption
_SEED: Final = 7


@dataclass(frozen=True)
class CopyrightParts:
    """The networks of the copyright metric.

    Attributes:
        semantic: See `semantic_embedding`.
        perceptual: See `perceptual_embedding`.
    """

    semantic: str = "efficientnet-lite0"
    perceptual: str = "efficientnet-lite0"

    def load(self) -> None:
        """Load both once, so that what is missing is told before hours of work.

        Raises:
            OptionError: A part is unknown.
            MissingWeightsError: Weights are not on this machine.
        """
        semantic_embedding(self.semantic)
        perceptual_embedding(self.perceptual)

    def named(self) -> dict[str, str]:
        """Return both names; of what lies on this machine only its own name, not its folder."""
        return {
            part: name
            if ":hf-hub:" in name
            else ":".join(Path(word).name for word in name.split(":"))
            for part, name in asdict(self).items()
        }


DEFAULT_PARTS: Final = CopyrightParts()


def copyright_scores(
    studio: Studio, folder: Path, parts: CopyrightParts = DEFAULT_PARTS
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Measure how closely a model fine-tuned on a lot reproduces it.

    For each lot: fine-tune the base model on it alone, generate from its captions with several
    seeds, compare each work with what its caption gave. Held-out works of the holder are the
    look-alikes. Finished lots are stored in `folder` and not measured again.

    Returns:
        Semantic and perceptual similarity per lot, each (T, H) float64 in [0, 1].
    """
    lots = measured_lots(studio, folder, parts)
    means = [[values.mean(axis=(1, 2)) for values in row] for row in lots]
    semantic, perceptual = np.moveaxis(np.array(means), 2, 0)
    return semantic, perceptual


def measured_lots(
    studio: Studio, folder: Path, parts: CopyrightParts = DEFAULT_PARTS
) -> list[list[NDArray[np.float64]]]:
    """Return the similarities of each lot's works, (2, seeds, works) for round t and holder i.

    The first axis is semantic, perceptual. See `copyright_scores`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lots = studio.collection.lots
    paths = [[folder / f"lot_{t}_{i}.json" for i in range(len(row))] for t, row in enumerate(lots)]
    for i, column in enumerate(zip(*paths, strict=True)):
        todo = [t for t, path in enumerate(column) if not path.exists()]
        if todo:
            similarity = holder_similarity(studio, i, parts)
        for t in todo:
            values = _lot_similarity(studio, similarity, t, i)
            write_whole(column[t], json.dumps(np.round(values, 6).tolist()))
    return [[np.array(json.loads(path.read_text())) for path in row] for row in paths]


def holder_similarity(
    studio: Studio, holder: int, parts: CopyrightParts = DEFAULT_PARTS
) -> Similarity:
    """Return the similarity measure of a holder."""
    return Similarity(*reference_works(studio, holder), parts.semantic, parts.perceptual)


def reference_works(studio: Studio, holder: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the held-out works of a holder, its look-alikes, and those of all others."""
    groups = np.split(studio.collection.held_out.images, len(studio.collection.holders))
    look_alikes = groups.pop(holder)
    return look_alikes, np.concatenate(groups)


def _lot_similarity(studio: Studio, similarity: Similarity, t: int, i: int) -> NDArray[np.float64]:
    history = ((),) * t + ((i,),)
    set_weights(studio.pipeline.unet, studio.train_round(studio.base_weights, history, seed=_SEED))
    lot, lot_set = studio.collection.lots[t][i], studio.lot_sets[t][i]
    return np.array(
        similarity(lot.images, generations(studio, lot_set.conditions, GENERATIONS, _SEED))
    )


def generations(studio: Studio, conditions: Conditions, count: int, seed: int) -> NDArray[np.uint8]:
    """Draw `count` works for each of n captions: (count, n, S, S, 3) uint8."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(conditions), *studio.noise.shape[1:])
    return np.stack(
        [studio.generate(conditions, torch.randn(shape, generator=generator)) for _ in range(count)]
    )
