from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from copyright_gym.art import base_model
from copyright_gym.art.base_model import BASE_STYLES, train_base_model
from copyright_gym.art.diffusion import condition, generate_latents, load_pipeline
from copyright_gym.art.weight_average import WeightAverage
from copyright_gym.art.works import HOLDER_STYLES, draw_works, style_holder
from copyright_gym.pack import load_pack


def test_base_styles_are_by_others_than_the_holders() -> None:
    holders = {style_holder(style).name for style in HOLDER_STYLES}
    assert not holders & {style_holder(style).name for style in BASE_STYLES}


def test_the_recipe_ends_in_a_pipeline_that_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = draw_works("thumbs", 8)
    monkeypatch.setattr(base_model, "base_works", lambda: works)
    monkeypatch.setattr(base_model, "autoencoder_works", lambda: works)
    for steps in ("AUTOENCODER_STEPS", "DECODER_STEPS", "UNET_STEPS"):
        monkeypatch.setattr(base_model, steps, 25)
    train_base_model(tmp_path / "base")
    pipeline = load_pipeline(tmp_path / "base")
    conditions = condition(pipeline, works.captions[:2])
    noise = torch.randn((2, 16, 8, 8), generator=torch.Generator().manual_seed(0))
    assert generate_latents(pipeline, conditions, noise).isfinite().all()
    assert pipeline.vae.config.scaling_factor != 1.0
    _draws_as_anybody_would_load_it(tmp_path / "base")


def test_the_embedded_base_model_loads_as_a_normal_pipeline() -> None:
    _draws_as_anybody_would_load_it(load_pack("portrait").folder / "base")


def _draws_as_anybody_would_load_it(folder: Path) -> None:
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("thumbs, eyes 7, mouth 1", num_inference_steps=4, guidance_scale=2.0).images[0]
    assert image.size == (32, 32)
    assert np.ptp(np.asarray(image)) > 50


def test_weight_average_by_hand() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 1.0)
    average = WeightAverage(layer, decay=0.75)
    torch.nn.init.constant_(layer.weight, 5.0)
    average.update(layer)
    assert float(next(average.model.parameters())) == 2.0
