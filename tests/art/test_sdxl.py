"""The real SDXL 1.0 on the meta device: our own steps run through its true shapes."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from copyright_gym.art.adapters import (
    TARGETS,
    add_adapters,
    has_adapters,
    read_weights,
    trainable_parameters,
)
from copyright_gym.art.blueprint import (
    SDXL_BASE,
    meta_conditions,
    meta_latents,
    meta_pipeline,
    read_blueprint,
)
from copyright_gym.art.diffusion import condition, predict_noise
from copyright_gym.art.finetune import FinetuneSettings, RoundTraining, TrainingSet
from copyright_gym.art.gradients import AdapterGradients, Denoiser, DiffusionOutput
from copyright_gym.art.sampling import Sampling, generate_latents
from copyright_gym.art.tokenizer import build_tokenizer

# SDXL 1.0's attention blocks: down 2 x 2 + 2 x 10, middle 10, up 3 x 10 + 3 x 2.
TRANSFORMER_BLOCKS = 70
PARAMETERS = {
    "unet": 2_567_463_684,
    "vae": 83_653_863,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
}


@pytest.fixture(scope="module")
def sdxl() -> Any:
    tokenizer = build_tokenizer(48_894, 77)
    return meta_pipeline(read_blueprint(SDXL_BASE), "lora", "bf16", (tokenizer, tokenizer))


def test_parts_have_the_published_sizes(sdxl: Any) -> None:
    counted = {
        name: sum(p.numel() for n, p in getattr(sdxl, name).named_parameters() if "lora" not in n)
        for name in PARAMETERS
    }
    assert counted == PARAMETERS
    assert len(sdxl.tokenizer) == 49_408
    assert sdxl.vae_scale_factor == 8


def test_captions_condition_it(sdxl: Any) -> None:
    conditions = condition(sdxl, ["a portrait", "a cat in watercolour, on paper"])
    assert conditions.tokens.shape == (2, 77, 2048)
    assert conditions.pooled.shape == (2, 1280)
    assert conditions.sizes.shape == (2, 6)
    stand_in = meta_conditions(sdxl, 2, 1024)
    for ours, real in zip(vars(stand_in).values(), vars(conditions).values(), strict=True):
        assert (ours.shape, ours.dtype) == (real.shape, real.dtype)


def test_a_training_step_runs_on_adapters_in_every_attention(sdxl: Any) -> None:
    add_adapters(sdxl.unet, rank=8)
    adapted = [n for n, _ in sdxl.unet.named_modules() if n.endswith(".lora_A")]
    # Every block attends to the image and to the text: 2 x 4 projections.
    assert len(adapted) == TRANSFORMER_BLOCKS * 2 * len(TARGETS)
    for target in TARGETS:
        ends = [name for name in adapted if name.endswith(f"{target}.lora_A")]
        assert len(ends) == 2 * TRANSFORMER_BLOCKS
    works = TrainingSet(meta_latents(sdxl, 3, 512), meta_conditions(sdxl, 3, 512))
    settings = FinetuneSettings(
        method="lora", precision="bf16", batch=4, gradient_checkpointing=True
    )
    weights = read_weights(sdxl.unet)
    generator = torch.Generator().manual_seed(0)
    training = RoundTraining(sdxl, weights, works, works, 3, settings, generator)
    training.step()
    trained = [p for p in sdxl.unet.parameters() if p.requires_grad]
    assert len(trained) == len(weights) == 2 * len(adapted)
    assert all(p.grad is not None and p.grad.shape == p.shape for p in trained)
    assert {p.dtype for p in trained} == {torch.float32}
    after = training.finish()
    assert {n: w.shape for n, w in after.items()} == {n: w.shape for n, w in weights.items()}


def test_a_work_is_attributed_by_the_gradient_of_adapters_alone(sdxl: Any) -> None:
    if not has_adapters(sdxl.unet):
        add_adapters(sdxl.unet, rank=8)
    for parameter in trainable_parameters(sdxl.unet):
        parameter.requires_grad_(True)
    model = Denoiser(sdxl.unet).eval()
    noise = meta_latents(sdxl, 2, 512)
    output = DiffusionOutput(sdxl.scheduler.alphas_cumprod, noise, dtrak=True)
    computer = AdapterGradients(model, output, 0, torch.float32, torch.device("meta"))
    conditions = meta_conditions(sdxl, 1, 512)
    gradients = computer.compute_per_sample_grad(
        (meta_latents(sdxl, 1, 512), conditions.tokens, conditions.pooled, conditions.sizes)
    )
    assert len(gradients) == 2 * 2 * TRANSFORMER_BLOCKS * len(TARGETS)
    for name, gradient in gradients.items():
        assert "lora" in name
        assert gradient.shape == (1, *model.get_parameter(name).shape)


def test_sampling_steps_run_with_guidance(sdxl: Any) -> None:
    noise = torch.zeros(2, 4, 128, 128)
    conditions = meta_conditions(sdxl, 2, 1024)
    latents = generate_latents(sdxl, conditions, noise, sampling=Sampling(2, 5.0))
    assert latents.shape == noise.shape
    assert latents.is_meta
    pixels = sdxl.vae.decode(latents).sample
    assert pixels.shape == (2, 3, 1024, 1024)


def test_a_forward_pass_costs_what_is_known_of_sdxl(sdxl: Any) -> None:
    with FlopCounterMode(display=False) as counter:
        predict_noise(
            sdxl, meta_latents(sdxl, 1, 1024), torch.tensor(5), meta_conditions(sdxl, 1, 1024)
        )
    # The usual count is 3.0 T multiply-adds, without the attention products themselves.
    assert 6e12 < counter.get_total_flops() < 7.5e12
