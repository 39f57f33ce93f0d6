"""Pairs of image features and caption embeddings, split by source and by concept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from torch import Tensor

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.features import pooled_features
from copyright_gym.art.icon_works import TEST_SET, TRAINING_SETS, VALIDATION_SET, icon_works
from copyright_gym.art.sentence_embeddings import caption_embeddings
from copyright_gym.art.tensor_files import load_tensors, save_tensors
from copyright_gym.art.works import Works

HELD_OUT: Final = 120  # pairs to choose on, and as many to report on
_SMALL_WORDS: Final = {"of", "and", "the", "in", "to", "on", "with", "for", "at", "by", "or", "an"}


@dataclass(frozen=True)
class Pairs:
    """Images and their captions, as the frozen networks see them.

    Attributes:
        images: (n, 1280) pooled features of EfficientNet-lite0.
        texts: (n, 384) embeddings of MiniLM.
    """

    images: Tensor
    texts: Tensor


def icon_pairs(folder: Path) -> dict[str, Pairs]:
    """Return the pairs of `training`, `validation` and `test`; they are kept in `folder`.

    Raises:
        MissingWorksError: A set of icons is not on this machine.
        MissingExtraError: The package with the weights of MiniLM is not installed.
    """
    path = folder / "image_text_pairs.safetensors"
    if not path.exists():
        tensors = {}
        for split, works in split_works(
            Works.join(icon_works(package) for package in TRAINING_SETS),
            icon_works(VALIDATION_SET),
            icon_works(TEST_SET),
        ).items():
            tensors[f"{split}.images"] = pooled_features(to_tensor(works.images))
            tensors[f"{split}.texts"] = caption_embeddings(works.captions)
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(path, tensors)
    stored, _ = load_tensors(path)
    return {
        split: Pairs(stored[f"{split}.images"], stored[f"{split}.texts"])
        for split in ("training", "validation", "test")
    }


def split_works(
    training: Works, validation: Works, test: Works, held_out: int = HELD_OUT
) -> dict[str, Works]:
    """Choose works such that no word of a caption is in two splits.

    Args:
        training: Works to learn from; those with a word of another split are left out.
        validation: Works of another source; those with a word of the test are left out.
        test: Works of a third source.
        held_out: Works of validation and of test at most.
    """
    test = test.select(slice(held_out))
    taken = _words(test.captions)
    validation = _without(validation, taken).select(slice(held_out))
    taken |= _words(validation.captions)
    return {"training": _without(training, taken), "validation": validation, "test": test}


def _without(works: Works, taken: set[str]) -> Works:
    return works.select(
        np.array([i for i, text in enumerate(works.captions) if not _words([text]) & taken], int)
    )


def _words(captions: Sequence[str]) -> set[str]:
    """Return the words of captions, singular and plural as one, without the small ones."""
    words = {word for caption in captions for word in caption.split()} - _SMALL_WORDS
    return {word.rstrip("s") if len(word) > 3 else word for word in words}
