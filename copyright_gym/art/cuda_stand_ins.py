"""Makes meta tensors go the way of a CUDA device: fused attention, and autocast's dtypes.

On the meta device attention would keep all pairs of positions, and autocast does nothing. Sources:
PyTorch's autocast op reference (CUDA) and FlashAttention, arXiv:2205.14135.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

_TO_HALF: Final = ("linear", "conv2d")
_TO_FLOAT: Final = ("group_norm", "layer_norm")
_ATTENTION: Final = "scaled_dot_product_attention"


@contextmanager
def cuda_stand_ins(autocast: torch.dtype = torch.float32) -> Iterator[None]:
    """Exchange functions of `torch.nn.functional` while the context lasts.

    Backward passes recompute in threads and hooks that no torch function mode reaches, so the
    functions themselves are exchanged.

    Args:
        autocast: The half precision that autocast is on for; float32 is none.
    """
    originals = {name: getattr(functional, name) for name in (*_TO_HALF, *_TO_FLOAT, _ATTENTION)}
    if autocast != torch.float32:
        for names, dtype in ((_TO_HALF, autocast), (_TO_FLOAT, torch.float32)):
            for name in names:
                setattr(functional, name, _in_dtype(originals[name], dtype))
    setattr(functional, _ATTENTION, _fused_attention)
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(functional, name, original)


def _in_dtype(function: Callable[..., Tensor], dtype: torch.dtype) -> Callable[..., Tensor]:
    def cast(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, Tensor) else value

    def call(*arguments: Any, **named: Any) -> Tensor:
        return function(*map(cast, arguments), **{name: cast(v) for name, v in named.items()})

    return call


def _fused_attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
    output: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)[0]
    return output
