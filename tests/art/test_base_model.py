from pathlib import Path

import pytest
import torch

from copyright_gym.art import base_model
from copyright_gym.art.base_model import BASE_STYLES, train_base_model
from copyright_gym.art.diffusion import condition, generate_latents, load_pipeline
from copyright_gym.art.weight_average import WeightAverage
from copyright_gym.art.works import HOLDER_STYLES, draw_works, style_holder


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


def test_weight_average_by_hand() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 1.0)
    average = WeightAverage(layer, decay=0.75)
    torch.nn.init.constant_(layer.weight, 5.0)
    average.update(layer)
    assert float(next(average.model.parameters())) == 2.0
