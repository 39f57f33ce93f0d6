"""A studio small enough for tests; a module of its own, so that worker processes can import it."""

from __future__ import annotations

from typing import Any

import torch

from copyright_gym.art.autoencoder import build_autoencoder
from copyright_gym.art.dicebear_works import draw_works, style_holder
from copyright_gym.art.diffusion import build_pipeline
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


def make_pipeline() -> Any:
    torch.manual_seed(3)
    pipeline = build_pipeline(build_autoencoder().eval(), seed=4)
    for model in (pipeline.vae, pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2):
        model.requires_grad_(False).eval()
    return pipeline


def make_studio() -> Studio:
    settings = FinetuneSettings(epochs=3.0, batch=8)
    return Studio(make_pipeline(), make_collection(), draw_works("avataaars", 12), settings)
