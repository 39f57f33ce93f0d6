"""Gradient features: what TRAK and D-TRAK compare, one projected gradient a work.

Sources: TRAK is Park et al., arXiv:2303.14186, through the `traker` package; D-TRAK's output
function is Zheng et al., arXiv:2311.00500.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from torch import Tensor, nn
from trak import TRAKer
from trak.gradient_computers import FunctionalGradientComputer
from trak.modelout_functions import AbstractModelOutput
from trak.projectors import AbstractProjector
from trak.utils import vectorize

from copyright_gym.art.adapters import Weights, has_adapters, set_weights, trainable_parameters
from copyright_gym.art.diffusion import mixed_precision
from copyright_gym.art.finetune import TrainingSet

PROJECTED: Final = 2048
_HASHES: Final = 4
_BATCH: Final = 16


class Denoiser(nn.Module):
    """A UNet whose added conditions are positional, as functional gradients want them."""

    def __init__(self, unet: Any) -> None:
        """Wrap a UNet."""
        super().__init__()
        self.unet = unet

    def forward(
        self, noisy: Tensor, timesteps: Tensor, tokens: Tensor, pooled: Tensor, sizes: Tensor
    ) -> Tensor:
        """Return the predicted noise in float32, (k, c, h, w)."""
        dtype = self.unet.dtype
        output: Tensor = self.unet(
            noisy.to(dtype),
            timesteps,
            tokens.to(dtype),
            added_cond_kwargs={"text_embeds": pooled.to(dtype), "time_ids": sizes},
            return_dict=False,
        )[0]
        return output.float()


class DiffusionOutput(AbstractModelOutput):
    """Model output of a diffusion model for TRAK, averaged over fixed timesteps and noises.

    Args:
        alphas_cumprod: (1000,) signal shares of the noise schedule.
        noise: (k, c, h, w) fixed noise, one for each timestep, on the model's device.
        dtrak: True for D-TRAK's mean squared prediction, False for the training loss.
    """

    def __init__(self, alphas_cumprod: Tensor, noise: Tensor, dtrak: bool) -> None:
        """Spread k timesteps evenly."""
        super().__init__()
        count = len(noise)
        timesteps = ((torch.arange(count) + 0.5) * 1000 / count).long()
        signal = alphas_cumprod.cpu()[timesteps].float().view(-1, 1, 1, 1).to(noise.device)
        self.timesteps = timesteps.to(noise.device)
        self.clean_share, self.noise_share = signal.sqrt(), (1 - signal).sqrt()
        self.noise = noise
        self.dtrak = dtrak

    def get_output(
        self, model: nn.Module, weights: Any, buffers: Any, latent: Tensor, tokens: Tensor,
        pooled: Tensor, sizes: Tensor,
    ) -> Tensor:  # fmt: skip
        """Return the output of one work.

        Args:
            model: A `Denoiser`.
            weights: Its parameters by name.
            buffers: Its buffers by name.
            latent: (c, h, w).
            tokens: (l, w).
            pooled: (w,).
            sizes: (6,).
        """
        count = len(self.noise)
        predicted = torch.func.functional_call(
            model,
            (weights, buffers),
            (
                self.clean_share * latent + self.noise_share * self.noise,
                self.timesteps,
                tokens.expand(count, -1, -1),
                pooled.expand(count, -1),
                sizes.expand(count, -1),
            ),
        )
        error = predicted if self.dtrak else predicted - self.noise
        output: Tensor = error.square().mean()
        return output

    def get_out_to_loss_grad(self, model: Any, weights: Any, buffers: Any, batch: Any) -> Tensor:
        """Return ones: the output is the loss, or stands in for it."""
        return torch.ones(len(batch[0]), 1)


class AdapterGradients(FunctionalGradientComputer):
    """Gradients of what asks for them, work by work, wherever the model is.

    traker's own computer takes a batch's gradients of all parameters before it keeps some.
    """

    def load_model_params(self, model: nn.Module) -> None:
        """Tell adapters, which ask for gradients, from all that is frozen."""
        named = dict(model.named_parameters())
        self.func_weights = {name: p for name, p in named.items() if p.requires_grad}
        frozen = {name: p for name, p in named.items() if not p.requires_grad}
        self.func_buffers = {**dict(model.named_buffers()), **frozen}

    def compute_per_sample_grad(self, batch: Iterable[Tensor]) -> dict[str, Tensor]:
        """Return the gradients of n works by parameter name, (n, ...) each."""
        asking = list(self.func_weights.values())
        works = [
            torch.autograd.grad(
                self.modelout_fn.get_output(
                    self.model, self.func_weights, self.func_buffers, *work
                ),
                asking,
            )
            for work in zip(*batch, strict=True)
        ]
        columns = zip(*works, strict=True)
        return {
            name: torch.stack(rows) for name, rows in zip(self.func_weights, columns, strict=True)
        }


class CountSketch(AbstractProjector):
    """Sparse random projection: each gradient entry goes to a few hashed places with random signs.

    A dense projector draws a (parameters x 2,048) matrix for each batch, which a CPU can't afford.
    Source: Charikar, Chen and Farach-Colton, 2002; several hashes as in Kane and Nelson, 2014.
    """

    def __init__(self, grad_dim: int, proj_dim: int, seed: int, device: str = "cpu") -> None:
        """Draw the hashes."""
        super().__init__(grad_dim, proj_dim, seed, "count sketch", device)
        generator = torch.Generator().manual_seed(seed)
        shape = (_HASHES, grad_dim)
        self.places = torch.randint(proj_dim, shape, generator=generator)
        self.signs = torch.randint(2, shape, generator=generator).float() * 2 - 1

    def project(self, grads: Any, model_id: int) -> Tensor:
        """Project a batch of gradients, given by parameter name, to (n, proj_dim)."""
        flat = vectorize(grads, device=self.device)
        projected = torch.zeros(len(flat), self.proj_dim)
        for places, signs in zip(self.places, self.signs, strict=True):
            projected.index_add_(1, places, flat * signs)
        return projected / _HASHES**0.5

    def free_memory(self) -> None:
        """Nothing to free."""


def _in_batches(works: TrainingSet, device: torch.device) -> Iterator[tuple[Tensor, ...]]:
    for start in range(0, len(works), _BATCH):
        part = works[slice(start, start + _BATCH)]
        conditions = part.conditions.to(device)
        yield part.latents.to(device), conditions.tokens, conditions.pooled, conditions.sizes


def gradient_features(
    pipeline: Any,
    weights: Weights,
    works: TrainingSet,
    *,
    dtrak: bool = True,
    timesteps: int = 10,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the projected gradient of the model output on each work.

    The gradient is that of what fine-tuning changes: the whole UNet, which is moved to the CPU for
    it, or its adapters, wherever the UNet is.

    A work's features depend on the work, the weights and the arguments alone, so those of works
    that come later are appended to those of earlier ones.

    Args:
        pipeline: An SDXL pipeline; its UNet is left with `weights`.
        weights: The UNet's weights at which gradients are taken.
        works: n works.
        dtrak: D-TRAK's output function, else TRAK's training loss.
        timesteps: Number of fixed timesteps; gradients are averaged before projection.
        seed: Seed of noise and projection.

    Returns:
        (n, 2048) float64 features.
    """
    unet, device, adapted = pipeline.unet, pipeline.unet.device, has_adapters(pipeline.unet)
    set_weights(unet, weights)
    processors = unet.attn_processors
    if not adapted:
        unet.set_attn_processor(AttnProcessor())  # fused attention has no batching rule
        unet.to("cpu")
    for parameter in trainable_parameters(unet):
        parameter.requires_grad_(True)
    model = Denoiser(unet).eval()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((timesteps, *works.latents.shape[1:]), generator=generator).to(unet.device)
    wanted = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    with tempfile.TemporaryDirectory() as folder, mixed_precision(pipeline):
        tracer = TRAKer(
            model=model,
            task=DiffusionOutput(pipeline.scheduler.alphas_cumprod, noise, dtrak),
            train_set_size=len(works),
            save_dir=str(Path(folder) / "trak"),
            device="cpu",  # the projection is made for it
            projector=CountSketch(sum(wanted.values()), PROJECTED, seed),
            gradient_computer=AdapterGradients if adapted else FunctionalGradientComputer,
            grad_wrt=wanted,
            use_half_precision=False,
            logging_level=logging.ERROR,
        )
        tracer.load_checkpoint(model.state_dict(), model_id=0)
        for batch in _in_batches(works, unet.device):
            tracer.featurize(batch=batch, num_samples=len(batch[0]))
        features = np.array(tracer.saver.current_store["grads"], dtype=np.float64)
    unet.requires_grad_(False).to(device).set_attn_processor(processors)
    return features
