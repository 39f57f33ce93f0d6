"""One round of fine-tuning: continue from given weights on everything licensed so far."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from copyright_gym.art.adapters import (
    Weights,
    read_weights,
    set_weights,
    trainable_parameters,
)
from copyright_gym.art.diffusion import PRECISIONS, Conditions, denoising_loss
from copyright_gym.art.tensor_files import load_tensors, save_tensors
from copyright_gym.art.weight_average import WeightAverage
from copyright_gym.errors import OptionError, listed


@dataclass(frozen=True)
class TrainingSet:
    """Works as the UNet meets them.

    Attributes:
        latents: (n, c, h, w) scaled latents.
        conditions: n captions' conditions.
    """

    latents: Tensor
    conditions: Conditions

    def __len__(self) -> int:
        """Return the number of works."""
        return len(self.latents)

    def __getitem__(self, index: Tensor | slice) -> TrainingSet:
        """Return the works at `index`."""
        return TrainingSet(self.latents[index], self.conditions[index])

    @staticmethod
    def join(parts: list[TrainingSet]) -> TrainingSet:
        """Return all works of `parts` in order."""
        return TrainingSet(
            torch.cat([part.latents for part in parts]),
            Conditions.join([part.conditions for part in parts]),
        )


@dataclass(frozen=True)
class FinetuneSettings:
    """How a round trains.

    Attributes:
        method: `full` trains the whole UNet, `lora` low-rank adapters on its attention (peft).
        epochs: How often each newly licensed work is due; sets the number of steps.
        batch: Works a step.
        base_share: Share of base works in a batch, so that the model doesn't forget how to draw.
        lr: Learning rate, constant after `warmup` steps.
        warmup: Steps of linear warm-up.
        average_decay: Decay of the weight average that a round hands on.
        lora_rank: Rank of the adapters.
        precision: `fp32`, or mixed precision: `bf16` or `fp16`.
        vae: Folder or hub name of an autoencoder that bears `precision`; None is the base
            model's own in fp32.
        gradient_checkpointing: Compute activations twice in place of keeping them: less memory,
            a third more time, the same results up to rounding.
    """

    method: str = "full"
    epochs: float = 10.0
    batch: int = 16
    base_share: float = 0.25
    lr: float = 2.5e-4
    warmup: int = 10
    average_decay: float = 0.98
    lora_rank: int = 8
    precision: str = "fp32"
    vae: str | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        """Check method, precision and ranges."""
        if self.method not in ("full", "lora"):
            raise OptionError(f"method must be 'full' or 'lora', got {self.method!r}")
        if self.precision not in PRECISIONS:
            raise OptionError(f"unknown precision {self.precision!r}; known: {listed(PRECISIONS)}")
        for name in ("batch", "epochs", "lr"):
            if not getattr(self, name) > 0:
                raise OptionError(f"{name} must be above 0, got {getattr(self, name)}")

    def steps(self, new_works: int) -> int:
        """Return the optimiser steps of a round with `new_works` newly licensed works."""
        return math.ceil(self.epochs * new_works / (self.batch * (1 - self.base_share)))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-safe values."""
        return asdict(self)


class RoundTraining:
    """The training of one round, step by step; it can stop, be stored and go on.

    Batches, timesteps and noise are drawn on the CPU, so that they are the same on any device.

    Args:
        pipeline: An SDXL pipeline; only its UNet is changed.
        weights: The UNet's weights before the round, from `read_weights`.
        licensed: All works licensed so far, the new ones included.
        base: Works that the base model was trained on, mixed into each batch by `base_share`.
        new_works: How many of the licensed works are new; sets the number of steps.
        settings: How to train.
        generator: Source of batches, timesteps and noise.
    """

    def __init__(
        self,
        pipeline: Any,
        weights: Weights,
        licensed: TrainingSet,
        base: TrainingSet,
        new_works: int,
        settings: FinetuneSettings,
        generator: torch.Generator,
    ) -> None:
        """Load the weights and make an optimiser."""
        self.pipeline, self.licensed, self.base = pipeline, licensed, base
        self.settings, self.generator = settings, generator
        self.total, self.done = settings.steps(new_works), 0
        unet = pipeline.unet
        set_weights(unet, weights)
        if settings.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        self._parameters = trainable_parameters(unet)
        for parameter in self._parameters:
            parameter.requires_grad_(True)
        unet.train()
        self._trained = torch.nn.ParameterList(self._parameters)
        self._average = WeightAverage(self._trained, settings.average_decay)
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=settings.lr, weight_decay=0.0, foreach=True
        )
        # Half-precision gradients underflow without scaling; bfloat16's and float32's don't.
        self._scaler = torch.amp.GradScaler(unet.device.type, enabled=settings.precision == "fp16")
        self._order = torch.empty(0, dtype=torch.int64)

    def step(self) -> None:
        """Do one optimiser step."""
        batch = self._next_batch()
        self.done += 1
        self._optimiser.param_groups[0]["lr"] = self.settings.lr * min(
            1.0, self.done / self.settings.warmup
        )
        timesteps = _spread_timesteps(len(batch), self.generator)
        noise = torch.randn(batch.latents.shape, generator=self.generator)
        loss = denoising_loss(
            self.pipeline, batch.latents, batch.conditions, noise, timesteps
        ).mean()
        self._optimiser.zero_grad()
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimiser)
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._average.update(self._trained)

    def finish(self) -> Weights:
        """Leave the averaged weights in the UNet, frozen, and return them."""
        with torch.no_grad():
            for parameter, mean in zip(
                self._parameters, self._average.model.parameters(), strict=True
            ):
                parameter.copy_(mean)
        unet = self.pipeline.unet
        if self.settings.gradient_checkpointing:
            unet.disable_gradient_checkpointing()
        unet.requires_grad_(False).eval()
        return read_weights(unet)

    def save(self, path: Path) -> None:
        """Store everything that the remaining steps depend on."""
        tensors = {"generator": self.generator.get_state(), "order": self._order}
        for index, (parameter, mean) in enumerate(
            zip(self._parameters, self._average.model.parameters(), strict=True)
        ):
            tensors[f"parameter.{index}"] = parameter.detach()
            tensors[f"average.{index}"] = mean
            for name, value in self._optimiser.state[parameter].items():
                tensors[f"{name}.{index}"] = value
        scaler = {f"scaler.{name}": str(value) for name, value in self._scaler.state_dict().items()}
        save_tensors(path, tensors, {"done": str(self.done), **scaler})

    def load(self, path: Path) -> None:
        """Go on from a stored step of the same round."""
        tensors, facts = load_tensors(path)
        self.done = int(facts["done"])
        self.generator.set_state(tensors["generator"])
        self._order = tensors["order"]
        with torch.no_grad():
            for index, (parameter, mean) in enumerate(
                zip(self._parameters, self._average.model.parameters(), strict=True)
            ):
                parameter.copy_(tensors[f"parameter.{index}"])
                mean.copy_(tensors[f"average.{index}"])
                self._optimiser.state[parameter] = {
                    # AdamW keeps its step count on the CPU.
                    name: value if name == "step" else value.to(parameter.device)
                    for name in ("step", "exp_avg", "exp_avg_sq")
                    for value in [tensors[f"{name}.{index}"]]
                }
        state = self._scaler.state_dict()
        self._scaler.load_state_dict(
            {name: type(value)(float(facts[f"scaler.{name}"])) for name, value in state.items()}
        )

    def _next_batch(self) -> TrainingSet:
        settings, generator = self.settings, self.generator
        from_base = round(settings.batch * settings.base_share)
        from_licensed = settings.batch - from_base
        while len(self._order) < from_licensed:
            fresh = torch.randperm(len(self.licensed), generator=generator)
            self._order = torch.cat([self._order, fresh])
        chosen, self._order = self._order[:from_licensed], self._order[from_licensed:]
        if not from_base:
            return self.licensed[chosen]
        replay = torch.randint(len(self.base), (from_base,), generator=generator)
        return TrainingSet.join([self.licensed[chosen], self.base[replay]])


def finetune(
    training: RoundTraining,
    checkpoint: Path | None = None,
    *,
    checkpoint_seconds: float = 60.0,
    progress: bool = False,
) -> Weights:
    """Do all steps of a round, from where a killed process left it.

    Args:
        training: The round.
        checkpoint: Where unfinished steps are kept; None keeps none. The caller removes the file
            once it has stored the round.
        checkpoint_seconds: Least time between two checkpoints.
        progress: Whether to show a progress bar.

    Returns:
        The weights after the round.
    """
    if checkpoint is not None and checkpoint.exists():
        training.load(checkpoint)
    saved = time.monotonic()
    with tqdm(
        total=training.total,
        initial=training.done,
        desc="fine-tuning",
        unit="step",
        leave=False,
        disable=not progress,
    ) as bar:
        while training.done < training.total:
            training.step()
            bar.update()
            if checkpoint is not None and time.monotonic() - saved >= checkpoint_seconds:
                training.save(checkpoint)
                saved = time.monotonic()
    return training.finish()


def _spread_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """Draw one timestep from each of `count` equal parts of the schedule, in random order."""
    spread = torch.arange(count) + torch.rand(count, generator=generator)
    return (1000 * spread[torch.randperm(count, generator=generator)] / count).long()
