"""The SDXL pipeline: build a small one, condition on captions, train its UNet, generate works."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

TEXT_TOKENS: Final = 56
BPE_MERGES: Final = 2000
TEXT_WIDTH: Final = 48
UNET_CHANNELS: Final = (64, 96)
TIME_EMBEDDING: Final = 8
SAMPLING_STEPS: Final = 10
# Weight losses by signal-to-noise ratio, clamped here (Hang et al., arXiv:2303.09556).
MIN_SNR_GAMMA: Final = 5.0


@dataclass(frozen=True)
class Conditions:
    """What SDXL's UNet is told about captions.

    Attributes:
        tokens: (n, tokens, width) hidden states of both text encoders.
        pooled: (n, width) pooled projection of the second encoder.
    """

    tokens: Tensor
    pooled: Tensor

    def __len__(self) -> int:
        """Return the number of captions."""
        return len(self.tokens)

    def __getitem__(self, index: Tensor | slice) -> Conditions:
        """Return the conditions at `index`."""
        return Conditions(self.tokens[index], self.pooled[index])

    @staticmethod
    def join(parts: Sequence[Conditions]) -> Conditions:
        """Return all conditions of `parts` in order."""
        return Conditions(
            torch.cat([part.tokens for part in parts]), torch.cat([part.pooled for part in parts])
        )


def build_tokenizer() -> Any:
    """Return a CLIP tokenizer with the first `BPE_MERGES` merges of open_clip's BPE file."""
    import open_clip
    from transformers import CLIPTokenizer

    path = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    # The annotation of `CLIPTokenizer` asks for strings; the tokenizer itself takes pairs.
    merges: Any = [tuple(line.split()) for line in lines[1 : BPE_MERGES + 1]]
    characters = list(_byte_characters())
    vocabulary = characters + [character + "</w>" for character in characters]
    vocabulary += ["".join(pair) for pair in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)},
        merges=merges,
        model_max_length=TEXT_TOKENS,
    )


def _byte_characters() -> list[str]:
    """Return CLIP's printable stand-in for each byte, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    stand_ins = printable + [256 + index for index in range(len(others))]
    return [chr(code) for code in stand_ins]


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


def load_pipeline(base: str | Path) -> Any:
    """Load an SDXL pipeline from a local folder or a hub name.

    Args:
        base: Folder in diffusers' layout, or a hub name such as
            `stabilityai/stable-diffusion-xl-base-1.0`.
    """
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_pretrained(
        base, use_safetensors=True, add_watermarker=False, dtype=torch.float32
    )
    for model in (pipeline.vae, pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2):
        model.requires_grad_(False).eval()
    return _quiet(pipeline)


def _quiet(pipeline: Any) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def condition(pipeline: Any, captions: Sequence[str]) -> Conditions:
    """Return what both text encoders make of captions, as SDXL's pipeline computes it.

    Gradients flow into the encoders where they are enabled.
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
    return Conditions(torch.cat(tokens, dim=-1), pooled)


def micro_conditions(pipeline: Any, count: int) -> Tensor:
    """Return SDXL's (count, 6) size and crop conditions: full size, no crop."""
    size = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    return torch.tensor([[size, size, 0, 0, size, size]], dtype=torch.float32).repeat(count, 1)


def denoising_loss(
    pipeline: Any, latents: Tensor, conditions: Conditions, noise: Tensor, timesteps: Tensor
) -> Tensor:
    """Return (n,) losses of the UNet's noise prediction, weighted by min-SNR.

    Args:
        pipeline: An SDXL pipeline.
        latents: (n, c, h, w) scaled latents.
        conditions: n captions' conditions.
        noise: Gaussian noise in the latents' shape.
        timesteps: (n,) integers in [0, 1000).
    """
    signal = pipeline.scheduler.alphas_cumprod.to(latents)[timesteps]
    shape = (-1, 1, 1, 1)
    noisy = signal.sqrt().view(shape) * latents + (1 - signal).sqrt().view(shape) * noise
    predicted = pipeline.unet(
        noisy,
        timesteps,
        conditions.tokens,
        added_cond_kwargs={
            "text_embeds": conditions.pooled,
            "time_ids": micro_conditions(pipeline, len(latents)),
        },
        return_dict=False,
    )[0]
    ratio = signal / (1 - signal)
    weight = ratio.clamp(max=MIN_SNR_GAMMA) / ratio
    losses: Tensor = weight * (predicted - noise).square().mean(dim=(1, 2, 3))
    return losses


@torch.no_grad()
def generate_latents(
    pipeline: Any, conditions: Conditions, noise: Tensor, batch: int = 128
) -> Tensor:
    """Generate scaled latents with the pipeline's Euler scheduler, without guidance.

    Args:
        pipeline: An SDXL pipeline.
        conditions: n captions' conditions.
        noise: (n, c, h, w) unit Gaussian noise; the same noise gives comparable works.
        batch: Works generated at once.
    """
    parts = []
    for start in range(0, len(conditions), batch):
        part = conditions[slice(start, start + batch)]
        parts.append(
            pipeline(
                prompt_embeds=part.tokens,
                pooled_prompt_embeds=part.pooled,
                latents=noise[start : start + batch],
                num_inference_steps=SAMPLING_STEPS,
                guidance_scale=1.0,
                output_type="latent",
            ).images
        )
    return torch.cat(parts)
