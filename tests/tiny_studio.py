"""A studio small enough for tests; a module of its own, so that worker processes can import it."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from copyright_gym.art.adapters import add_adapters
from copyright_gym.art.autoencoder import build_autoencoder
from copyright_gym.art.dicebear_works import draw_works, style_holder
from copyright_gym.art.diffusion import PRECISIONS, build_pipeline
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.studio import Collection, Studio
from copyright_gym.art.works import Works

STYLES = ("micah", "big-smile")


def make_collection() -> Collection:
    drawn = [draw_works(style, 80) for style in STYLES]
    return Collection(
        tuple(style_holder(style) for style in STYLES),
        tuple(tuple(w.select(slice(s, s + 4)) for w in drawn) for s in (64, 68)),
        Works.join(w.select(slice(40)) for w in drawn),
    )


def make_pipeline(method: str = "full", precision: str = "fp32") -> Any:
    """An untrained pipeline in the dtypes of `load_pipeline`; adapters as a studio adds them."""
    torch.manual_seed(3)
    pipeline = build_pipeline(build_autoencoder().eval(), seed=4)
    half = PRECISIONS[precision]
    for model in (pipeline.vae, pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2):
        model.requires_grad_(False).eval()
    for model in (pipeline.text_encoder, pipeline.text_encoder_2):
        model.to(half)
    if method == "lora":
        torch.nn.Module.to(pipeline.unet, half)
        add_adapters(pipeline.unet, rank=8)
    return pipeline


def make_studio(**settings: Any) -> Studio:
    chosen = FinetuneSettings(**({"epochs": 3.0, "batch": 8} | settings))
    pipeline = make_pipeline(chosen.method, chosen.precision)
    return Studio(pipeline, make_collection(), draw_works("avataaars", 12), chosen)


@cache
def shared_studio() -> Studio:
    """The studio that all tests of a process share."""
    return make_studio()
