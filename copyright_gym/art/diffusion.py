"""The SDXL pipeline: build a small one or load any, condition on captions, predict noise.

Precision as in diffusers' SDXL training script: what stays frozen is stored in half precision,
what is trained and the autoencoder in float32. The text encoders are always frozen when a
loaded model is fine-tuned, so their dtype tells the precision of the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from copyright_gym.art.tokenizer import TEXT_TOKENS, build_tokenizer
from copyright_gym.art.works import uncropped
from copyright_gym.errors import OptionError, listed

TEXT_WIDTH: Final = 48
UNET_CHANNELS: Final = (64, 96)
TIME_EMBEDDING: Final = 8
PRECISIONS: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Weight losses by signal-to-noise ratio, clamped here (Hang et al., arXiv:2303.09556).
MIN_SNR_GAMMA: Final = 5.0


@dataclass(frozen=True)
class Conditions:
    """What SDXL's UNet is told about captions.

    Attributes:
        tokens: (n, tokens, width) hidden states of both text encoders.
        pooled: (n, width) pooled projection of the second encoder.
        sizes: (n, 6) SDXL's size and crop conditions in pixels: height and width of the original
            work, top and left of the crop, height and width of the image.
    """

    tokens: Tensor
    pooled: Tensor
    sizes: Tensor

    def __len__(self) -> int:
        """Return the number of captions."""
        return len(self.tokens)

    def __getitem__(self, index: Tensor | slice) -> Conditions:
        """Return the conditions at `index`."""
        return Conditions(self.tokens[index], self.pooled[index], self.sizes[index])

    def uncropped(self) -> Conditions:
        """Return the conditions to draw with: uncropped works of the images' own size."""
        size = self.sizes[:, 4:]
        sizes = torch.cat([size, torch.zeros_like(size), size], dim=1)
        return Conditions(self.tokens, self.pooled, sizes)

    def to(self, device: torch.device) -> Conditions:
        """Return the conditions on a device."""
        return Conditions(*(part.to(device) for part in (self.tokens, self.pooled, self.sizes)))

    @staticmethod
    def join(parts: Sequence[Conditions]) -> Conditions:
        """Return all conditions of `parts` in order."""
        return Conditions(
            torch.cat([part.tokens for part in parts]),
            torch.cat([part.pooled for part in parts]),
            torch.cat([part.sizes for part in parts]),
        )


def build_pipeline(vae: Any, seed: int) -> Any:
    """Return an SDXL pipeline with untrained text encoders and UNet around a trained autoencoder.

    Args:
        vae: Trained `AutoencoderKL`.
        seed: Seed of the weights.
    """
    from diffusers import (
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=TEXT_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    latent_channels = vae.config.latent_channels
    unet = UNet2DConditionModel(
        sample_size=vae.config.sample_size // 4,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=UNET_CHANNELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=16,
        cross_attention_dim=2 * TEXT_WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_EMBEDDING,
        projection_class_embeddings_input_dim=TEXT_WIDTH + 6 * TIME_EMBEDDING,
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="trailing",
    )
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        text_encoder_2=CLIPTextModelWithProjection(text),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=scheduler,
        add_watermarker=False,
    )
    return _quiet(pipeline)


def load_pipeline(
    base: str | Path,
    *,
    method: str = "full",
    precision: str = "fp32",
    vae: str | Path | None = None,
    device: str | None = None,
) -> Any:
    """Load an SDXL pipeline from a local folder or a hub name.

    Args:
        base: Folder in diffusers' layout, or a hub name such as
            `stabilityai/stable-diffusion-xl-base-1.0`.
        method: `full` keeps the UNet in float32, as all of it will be trained; with `lora` it is
            frozen and stored in `precision`.
        precision: `fp32`, `bf16` or `fp16`.
        vae: Another autoencoder in place of the base's, such as `madebyollin/sdxl-vae-fp16-fix`;
            it is loaded in `precision`. The base's own is always used in float32, because SDXL's
            overflows in half precision.
        device: A torch device; by default CUDA where there is one, else the CPU.

    Raises:
        OptionError: `precision` is unknown.
    """
    from diffusers import AutoencoderKL, StableDiffusionXLPipeline

    if precision not in PRECISIONS:
        raise OptionError(f"unknown precision {precision!r}; known: {listed(PRECISIONS)}")
    half = PRECISIONS[precision]
    dtypes: Any = {"default": half, "vae": torch.float32}
    if method == "full":
        dtypes["unet"] = torch.float32
    parts = {}
    if vae is not None:
        parts["vae"] = AutoencoderKL.from_pretrained(vae, use_safetensors=True, dtype=half)
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        base, use_safetensors=True, add_watermarker=False, dtype=dtypes, **parts
    )
    for model in (pipeline.vae, pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2):
        model.requires_grad_(False).eval()
    return _quiet(pipeline.to(device or ("cuda" if torch.cuda.is_available() else "cpu")))


def _quiet(pipeline: Any) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def mixed_precision(pipeline: Any) -> torch.autocast:
    """Return the autocast context of a pipeline; it does nothing in float32."""
    encoder = pipeline.text_encoder
    half = encoder.dtype != torch.float32 and encoder.device.type != "meta"
    return torch.autocast(encoder.device.type if half else "cpu", encoder.dtype, enabled=half)


def condition(pipeline: Any, captions: Sequence[str], sizes: Tensor | None = None) -> Conditions:
    """Return what both text encoders make of captions, as SDXL's pipeline computes it.

    Gradients flow into the encoders where they are enabled.

    Args:
        pipeline: An SDXL pipeline.
        captions: n captions.
        sizes: (n, 6) size and crop conditions; by default those of uncropped squares of the side
            that the UNet is made for.
    """
    tokens: list[Tensor] = []
    pooled = torch.empty(0)
    for tokenizer, encoder in (
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        ids = tokenizer(
            list(captions),
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        output = encoder(ids.to(encoder.device), output_hidden_states=True)
        tokens.append(output.hidden_states[-2])
        pooled = output[0]
    if sizes is None:
        side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
        sizes = micro_conditions(uncropped(len(captions), side), side)
    return Conditions(torch.cat(tokens, dim=-1), pooled, sizes.to(pooled.device))


def micro_conditions(framing: NDArray[np.int64], size: int) -> Tensor:
    """Return SDXL's (n, 6) size and crop conditions of works, as its training script gives them.

    Args:
        framing: (n, 4) as in `Works`.
        size: Side of the works in pixels.
    """
    return functional.pad(torch.from_numpy(framing).float(), (0, 2), value=size)


def predict_noise(
    pipeline: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions
) -> Tensor:
    """Return the UNet's noise prediction in float32, (n, c, h, w) like `noisy`.

    All tensors are on the UNet's device; a timestep for all may be on the CPU.
    """
    unet = pipeline.unet
    with mixed_precision(pipeline):
        predicted: Tensor = unet(
            noisy.to(unet.dtype),
            timesteps,
            conditions.tokens.to(unet.dtype),
            added_cond_kwargs={
                "text_embeds": conditions.pooled.to(unet.dtype),
                "time_ids": conditions.sizes,
            },
            return_dict=False,
        )[0]
    return predicted.float()


def denoising_loss(
    pipeline: Any, latents: Tensor, conditions: Conditions, noise: Tensor, timesteps: Tensor
) -> Tensor:
    """Return (n,) losses of the UNet's noise prediction, weighted by min-SNR.

    Args:
        pipeline: An SDXL pipeline.
        latents: (n, c, h, w) scaled latents, on any device.
        conditions: n captions' conditions.
        noise: Gaussian noise in the latents' shape.
        timesteps: (n,) integers in [0, 1000).
    """
    device = pipeline.unet.device
    latents, noise, timesteps = latents.to(device), noise.to(device), timesteps.to(device)
    signal = pipeline.scheduler.alphas_cumprod.to(latents)[timesteps]
    shape = (-1, 1, 1, 1)
    noisy = signal.sqrt().view(shape) * latents + (1 - signal).sqrt().view(shape) * noise
    predicted = predict_noise(pipeline, noisy, timesteps, conditions.to(device))
    ratio = signal / (1 - signal)
    weight = ratio.clamp(max=MIN_SNR_GAMMA) / ratio
    losses: Tensor = weight * (predicted - noise).square().mean(dim=(1, 2, 3))
    return losses
