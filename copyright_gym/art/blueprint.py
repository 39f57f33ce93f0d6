"""A base model's architecture without its weights, on PyTorch's meta device.

Meta tensors have shapes and dtypes but no numbers, so a model of any size is built in seconds and
the code that trains it and draws from it can be run, counted and measured on any machine.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import torch

from copyright_gym.art.diffusion import PRECISIONS, Conditions, micro_conditions
from copyright_gym.art.works import uncropped
from copyright_gym.errors import OptionError

SDXL_BASE: Final = "stabilityai/stable-diffusion-xl-base-1.0"
_FILES: Final = {
    "unet": "unet/config.json",
    "vae": "vae/config.json",
    "text_encoder": "text_encoder/config.json",
    "text_encoder_2": "text_encoder_2/config.json",
    "scheduler": "scheduler/scheduler_config.json",
}


def read_blueprint(base: str | Path) -> dict[str, dict[str, Any]]:
    """Read the configurations of a base model's parts.

    Args:
        base: Folder in diffusers' layout, or `SDXL_BASE`, whose configurations come with this
            package.

    Raises:
        OptionError: `base` is neither, or the folder lacks a configuration.
    """
    if str(base) == SDXL_BASE:
        text = (files("copyright_gym.art") / "sdxl_base.json").read_text(encoding="utf-8")
        return dict(json.loads(text))
    folder = Path(base)
    missing = [name for name in _FILES.values() if not (folder / name).is_file()]
    if missing:
        raise OptionError(
            f"{base} is not a folder of an SDXL model in diffusers' layout: {missing[0]} is not "
            f"there; give such a folder, or {SDXL_BASE!r}, which needs no download here"
        )
    return {part: json.loads((folder / name).read_text()) for part, name in _FILES.items()}


def meta_pipeline(
    blueprint: dict[str, dict[str, Any]],
    method: str = "full",
    precision: str = "fp32",
    tokenizers: tuple[Any, Any] = (None, None),
) -> Any:
    """Build an SDXL pipeline on the meta device, in the dtypes of `load_pipeline`.

    Args:
        blueprint: From `read_blueprint`.
        method: As in `load_pipeline`.
        precision: As in `load_pipeline`.
        tokenizers: Both tokenizers, needed for captions only.
    """
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    half = PRECISIONS[precision]
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(blueprint["unet"])
        vae = AutoencoderKL.from_config(blueprint["vae"])
        texts: list[Any] = [
            model(CLIPTextConfig(**blueprint[name]))
            for name, model in (
                ("text_encoder", CLIPTextModel),
                ("text_encoder_2", CLIPTextModelWithProjection),
            )
        ]
    for text in texts:
        text.to(half)
    if method == "lora":
        torch.nn.Module.to(unet, half)  # diffusers' own `to` warns about casting
    for model in (vae, unet, *texts):
        model.requires_grad_(False).eval()
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=texts[0],
        text_encoder_2=texts[1],
        tokenizer=tokenizers[0],
        tokenizer_2=tokenizers[1],
        unet=unet,
        scheduler=EulerDiscreteScheduler.from_config(blueprint["scheduler"]),
        add_watermarker=False,
    )


def meta_conditions(pipeline: Any, count: int, size: int) -> Conditions:
    """Return conditions in the shapes that captions of `count` works would give.

    Args:
        pipeline: From `meta_pipeline`.
        count: Number of works.
        size: Their side in pixels.
    """
    text, text_2 = pipeline.text_encoder.config, pipeline.text_encoder_2.config
    width = text.hidden_size + text_2.hidden_size
    dtype = pipeline.text_encoder.dtype
    return Conditions(
        torch.empty(count, text.max_position_embeddings, width, dtype=dtype, device="meta"),
        torch.empty(count, text_2.projection_dim, dtype=dtype, device="meta"),
        micro_conditions(uncropped(count, size), size).to("meta"),
    )


def meta_latents(pipeline: Any, count: int, size: int) -> torch.Tensor:
    """Return (count, c, size / scale, size / scale) float32 latents on the meta device."""
    side = size // pipeline.vae_scale_factor
    return torch.empty(count, pipeline.vae.config.latent_channels, side, side, device="meta")
