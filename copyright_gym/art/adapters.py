"""What fine-tuning changes in a UNet: all of it, or low-rank adapters on its attention (peft).

Adapters stay next to the frozen weights and go on learning round after round, so a round's
weights are some megabytes, whatever the size of the base model.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor

Weights = dict[str, Tensor]

TARGETS: Final = ("to_k", "to_q", "to_v", "to_out.0")
_START_SEED: Final = 0


def add_adapters(unet: Any, rank: int) -> None:
    """Put adapters on a UNet's attention projections; they change nothing yet: random A, zero B.

    Their start is the same for every run. They are in float32 whatever the UNet is in.
    Source: LoRA, arXiv:2106.09685.
    """
    from peft import LoraConfig

    unet.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, init_lora_weights=False, target_modules=list(TARGETS))
    )
    generator = torch.Generator().manual_seed(_START_SEED)
    for name, parameter in unet.named_parameters():
        if not _is_adapter(name):
            continue
        start = torch.zeros(parameter.shape)
        if "lora_A" in name:
            start = torch.randn(parameter.shape, generator=generator) / math.sqrt(start.shape[1])
        parameter.data = start.to(parameter.device)


def _is_adapter(name: str) -> bool:
    return ".lora_" in name


def has_adapters(unet: Any) -> bool:
    """Tell whether a UNet has adapters."""
    return bool(getattr(unet, "peft_config", None))


def trainable_parameters(unet: Any) -> list[torch.nn.Parameter]:
    """Return the parameters that fine-tuning changes."""
    adapted = has_adapters(unet)
    return [p for name, p in unet.named_parameters() if not adapted or _is_adapter(name)]


def read_weights(unet: Any) -> Weights:
    """Return copies, on the CPU, of what fine-tuning changes; meta tensors stay meta."""
    adapted = has_adapters(unet)
    device = "meta" if unet.device.type == "meta" else "cpu"
    return {
        name: value.detach().to(device, copy=True)
        for name, value in unet.state_dict().items()
        if not adapted or _is_adapter(name)
    }


def set_weights(unet: Any, weights: Weights) -> None:
    """Put weights from `read_weights` into a UNet of the same kind.

    Raises:
        RuntimeError: They are those of another UNet.
    """
    if has_adapters(unet):
        missing, unexpected = unet.load_state_dict(weights, strict=False)
        wrong = [*filter(_is_adapter, missing), *unexpected]
        if wrong:
            raise RuntimeError(f"these are weights of another UNet: {wrong[0]} does not fit")
    else:
        unet.load_state_dict(weights)
