from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from copyright_gym.art.dicebear_works import draw_works
from copyright_gym.art.diffusion import (
    Conditions,
    condition,
    denoising_loss,
    load_pipeline,
    micro_conditions,
)
from copyright_gym.art.portrait import HOLDER_STYLES
from copyright_gym.art.sampling import Sampling, generate_latents
from copyright_gym.art.tokenizer import TEXT_TOKENS

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


def test_crops_matter_to_training_and_not_to_drawing(pipeline: Any) -> None:
    """As in diffusers: a training work's own size and crop, drawn works are whole."""
    framing = np.array([[32, 32, 0, 0], [40, 120, 0, 32]])
    sizes = micro_conditions(framing, 32)
    assert sizes.tolist() == [[32, 32, 0, 0, 32, 32], [40, 120, 0, 32, 32, 32]]
    whole, cropped = condition(pipeline, CAPTIONS), condition(pipeline, CAPTIONS, sizes)
    noise = torch.randn((2, 16, 8, 8), generator=torch.Generator().manual_seed(1))
    timesteps = torch.tensor([500, 500])
    losses = [denoising_loss(pipeline, noise, c, noise, timesteps) for c in (whole, cropped)]
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]
    drawn = [generate_latents(pipeline, c, noise) for c in (whole, cropped)]
    assert torch.equal(*drawn)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_sampling_is_that_of_the_sdxl_pipeline(pipeline: Any, guidance: float) -> None:
    noise = torch.randn((2, 16, 8, 8), generator=torch.Generator().manual_seed(1))
    ours = condition(pipeline, CAPTIONS)
    theirs = pipeline(
        prompt_embeds=ours.tokens,
        pooled_prompt_embeds=ours.pooled,
        negative_prompt_embeds=torch.zeros_like(ours.tokens),
        negative_pooled_prompt_embeds=torch.zeros_like(ours.pooled),
        latents=noise,
        num_inference_steps=7,
        guidance_scale=guidance,
        output_type="latent",
    ).images
    sampling = Sampling(steps=7, guidance=guidance)
    assert torch.equal(generate_latents(pipeline, ours, noise, sampling=sampling), theirs)


def test_impossible_sampling_is_refused() -> None:
    for steps, guidance in ((0, 1.0), (10, 0.5)):
        with pytest.raises(ValueError, match="at least 1 step and a guidance of at least 1"):
            Sampling(steps, guidance)


def test_size_and_crop_reach_the_unet(pipeline: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    latents, noise = torch.randn((2, 2, 16, 8, 8), generator=generator)
    whole = condition(pipeline, CAPTIONS)
    assert whole.sizes.tolist() == [[32.0, 32, 0, 0, 32, 32]] * 2
    cropped = torch.tensor([[64.0, 48, 16, 8, 32, 32]] * 2)
    other = condition(pipeline, CAPTIONS, cropped)
    assert torch.equal(Conditions.join([whole, other])[slice(2, 4)].sizes, cropped)
    timesteps = torch.tensor([20, 900])
    losses = [denoising_loss(pipeline, latents, c, noise, timesteps) for c in (whole, other)]
    assert (losses[0] != losses[1]).all()


def test_saved_pipeline_loads_as_a_normal_sdxl_pipeline(pipeline: Any, tmp_path: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    pipeline.save_pretrained(tmp_path)
    assert type(load_pipeline(tmp_path)) is StableDiffusionXLPipeline
    first, second = condition(pipeline, CAPTIONS), condition(load_pipeline(tmp_path), CAPTIONS)
    assert torch.equal(first.tokens, second.tokens)
    assert not list(tmp_path.rglob("*.bin"))


def test_precision_leaves_what_must_be_exact_in_float32(pipeline: Any, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)

    def dtypes(**options: Any) -> list[torch.dtype]:
        loaded = load_pipeline(tmp_path, device="cpu", **options)
        parts = loaded.unet, loaded.vae, loaded.text_encoder, loaded.text_encoder_2
        return [part.dtype for part in parts]

    full, half = torch.float32, torch.bfloat16
    assert dtypes() == [full] * 4
    assert dtypes(precision="bf16") == [full, full, half, half]
    assert dtypes(precision="bf16", method="lora") == [half, full, half, half]
    own_vae = {"vae": tmp_path / "vae", "precision": "bf16", "method": "lora"}
    assert dtypes(**own_vae) == [half] * 4
    with pytest.raises(ValueError, match="unknown precision 'fp8'; known: bf16, fp16, fp32"):
        load_pipeline(tmp_path, precision="fp8")
