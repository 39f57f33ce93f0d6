from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler

from copyright_gym.art.dicebear_works import draw_works
from copyright_gym.art.diffusion import (
    TEXT_TOKENS,
    condition,
    denoising_loss,
    generate_latents,
    load_pipeline,
)
from copyright_gym.art.portrait import HOLDER_STYLES

CAPTIONS = ("micah, tan hair, mouth smile", "big smile, brown skin, eyes angry")


def test_conditions_are_those_of_the_sdxl_pipeline(pipeline: Any) -> None:
    ours = condition(pipeline, CAPTIONS)
    tokens, _, pooled, _ = pipeline.encode_prompt(list(CAPTIONS), do_classifier_free_guidance=False)
    assert torch.equal(ours.tokens, tokens)
    assert torch.equal(ours.pooled, pooled)


def test_different_captions_are_told_apart(pipeline: Any) -> None:
    conditions = condition(pipeline, CAPTIONS)
    assert not torch.allclose(conditions.pooled[0], conditions.pooled[1])


@pytest.mark.parametrize("style", HOLDER_STYLES)
def test_most_of_a_caption_fits_the_text_encoders(pipeline: Any, style: str) -> None:
    for caption in draw_works(style, 10).captions:
        assert len(pipeline.tokenizer.tokenize(caption)) <= 1.25 * TEXT_TOKENS


def test_loss_noises_as_diffusers_does_and_weighs_by_min_snr(pipeline: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    latents, noise = torch.randn((2, 2, 16, 8, 8), generator=generator)
    timesteps = torch.tensor([20, 900])
    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    conditions = condition(pipeline, CAPTIONS)
    added = {
        "text_embeds": conditions.pooled,
        "time_ids": torch.tensor([[32.0, 32, 0, 0, 32, 32]] * 2),
    }
    predicted = pipeline.unet(noisy, timesteps, conditions.tokens, added_cond_kwargs=added).sample
    errors = (predicted - noise).square().mean(dim=(1, 2, 3))
    ratio = scheduler.alphas_cumprod[timesteps] / (1 - scheduler.alphas_cumprod[timesteps])
    expected = errors * torch.minimum(ratio, torch.tensor(5.0)) / ratio
    got = denoising_loss(pipeline, latents, conditions, noise, timesteps)
    torch.testing.assert_close(got, expected)


def test_same_noise_gives_the_same_works_in_any_batch(pipeline: Any) -> None:
    noise = torch.randn((2, 16, 8, 8), generator=torch.Generator().manual_seed(1))
    conditions = condition(pipeline, CAPTIONS)
    together = generate_latents(pipeline, conditions, noise)
    assert torch.equal(together, generate_latents(pipeline, conditions, noise))
    one_by_one = generate_latents(pipeline, conditions, noise, batch=1)
    torch.testing.assert_close(together, one_by_one, rtol=1e-3, atol=1e-3)


def test_saved_pipeline_loads_as_a_normal_sdxl_pipeline(pipeline: Any, tmp_path: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    pipeline.save_pretrained(tmp_path)
    assert type(load_pipeline(tmp_path)) is StableDiffusionXLPipeline
    first, second = condition(pipeline, CAPTIONS), condition(load_pipeline(tmp_path), CAPTIONS)
    assert torch.equal(first.tokens, second.tokens)
    assert not list(tmp_path.rglob("*.bin"))
