import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from copyright_gym.art import training_state
from copyright_gym.art.autoencoder import build_autoencoder, sharpen_decoder, train_autoencoder
from copyright_gym.art.base_model import BaseTraining, train_base, train_base_model
from copyright_gym.art.dicebear_works import draw_works, style_holder
from copyright_gym.art.diffusion import build_pipeline, condition, load_pipeline
from copyright_gym.art.portrait import BASE_STYLES, HOLDER_STYLES
from copyright_gym.art.sampling import generate_latents
from copyright_gym.art.weight_average import WeightAverage
from copyright_gym.art.works import Works
from copyright_gym.errors import OptionError
from copyright_gym.pack import load_pack


def few_works() -> Works:
    return draw_works("thumbs", 8)


SHORT = BaseTraining(few_works, few_works, autoencoder_steps=25, decoder_steps=25, unet_steps=25)


def test_base_styles_are_by_others_than_the_holders() -> None:
    holders = {style_holder(style).name for style in HOLDER_STYLES}
    assert not holders & {style_holder(style).name for style in BASE_STYLES}


def test_the_recipe_ends_in_a_pipeline_that_draws(tmp_path: Path) -> None:
    works = few_works()
    train_base_model(SHORT, tmp_path / "base", tmp_path / "work")
    pipeline = load_pipeline(tmp_path / "base")
    conditions = condition(pipeline, works.captions[:2])
    noise = torch.randn((2, 16, 8, 8), generator=torch.Generator().manual_seed(0))
    assert generate_latents(pipeline, conditions, noise).isfinite().all()
    assert pipeline.vae.config.scaling_factor != 1.0
    _draws_as_anybody_would_load_it(tmp_path / "base")
    with pytest.raises(OptionError, match="is there already"):
        train_base_model(SHORT, tmp_path / "base", tmp_path / "work")


class KilledError(Exception):
    pass


def _train(stage: str, works: Works, state: Path | None) -> list[torch.Tensor]:
    """Train one stage from its start; return the weights and, last, the draws that come next."""
    torch.manual_seed(0)
    vae = build_autoencoder()
    if stage == "autoencoder":
        vae = train_autoencoder(vae, works.images, 12, seed=0, lr=1e-3, state=state)
        return [*vae.state_dict().values()]
    if stage == "decoder":
        vae = sharpen_decoder(vae, works.images, 12, seed=0, batch=4, state=state)
        return [*vae.state_dict().values()]
    latents = torch.randn((8, 16, 8, 8), generator=torch.Generator().manual_seed(1))
    pipeline = build_pipeline(vae, 0)
    train_base(pipeline, latents, works.captions, 12, seed=0, lr=1e-3, state=state)
    parts = (pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2)
    return [value for part in parts for value in part.state_dict().values()]


@pytest.mark.parametrize("stage", ["autoencoder", "decoder", "unet"])
def test_a_killed_training_goes_on_with_the_same_bits(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_state, "SAVE_EVERY", 5)
    works, state = few_works(), tmp_path / "state.safetensors"
    expected = _train(stage, works, None)
    step, counter = torch.optim.AdamW.step, itertools.count()

    def killed_at_the_eighth(self: torch.optim.AdamW) -> object:
        if next(counter) == 7:
            raise KilledError
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", killed_at_the_eighth)
        with pytest.raises(KilledError):
            _train(stage, works, state)
    assert state.exists()
    found = _train(stage, works, state)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


def test_the_state_of_another_training_is_refused(tmp_path: Path) -> None:
    works, state = few_works(), tmp_path / "state.safetensors"
    vae = build_autoencoder()
    train_autoencoder(vae, works.images, 4, seed=0, lr=1e-3, state=state)
    with pytest.raises(OptionError, match="a training of 4 steps, not of 6"):
        train_autoencoder(vae, works.images, 6, seed=0, lr=1e-3, state=state)


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
