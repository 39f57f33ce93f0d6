"""One round of fine-tuning: continue from given weights on everything licensed so far."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from copyright_gym.art.diffusion import Conditions, denoising_loss
from copyright_gym.art.weight_average import WeightAverage
from copyright_gym.errors import OptionError

Weights = dict[str, Tensor]


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
    """

    method: str = "full"
    epochs: float = 10.0
    batch: int = 16
    base_share: float = 0.25
    lr: float = 2.5e-4
    warmup: int = 10
    average_decay: float = 0.98
    lora_rank: int = 8

    def __post_init__(self) -> None:
        """Check the method."""
        if self.method not in ("full", "lora"):
            raise OptionError(f"method must be 'full' or 'lora', got {self.method!r}")

    def steps(self, new_works: int) -> int:
        """Return the optimiser steps of a round with `new_works` newly licensed works."""
        return math.ceil(self.epochs * new_works / (self.batch * (1 - self.base_share)))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-safe values."""
        return asdict(self)


def finetune(
    pipeline: Any,
    weights: Weights,
    licensed: TrainingSet,
    base: TrainingSet,
    new_works: int,
    settings: FinetuneSettings,
    generator: torch.Generator,
) -> Weights:
    """Return the UNet's weights after one round.

    Args:
        pipeline: An SDXL pipeline; only its UNet is used and it is left with the new weights.
        weights: The UNet's weights before the round.
        licensed: All works licensed so far, the new ones included.
        base: Works that the base model was trained on, mixed into each batch.
        new_works: How many of the licensed works are new; sets the number of steps.
        settings: How to train.
        generator: Source of batches, timesteps and noise.
    """
    unet = pipeline.unet
    unet.load_state_dict(weights)
    if settings.method == "lora":
        model = _with_adapters(unet, settings.lora_rank, generator)
    else:
        model = unet.requires_grad_(True)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    trained = torch.nn.ParameterList(parameters)
    average = WeightAverage(trained, settings.average_decay)
    optimiser = torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=0.0, foreach=True)
    for step, batch in enumerate(_batches(licensed, base, new_works, settings, generator), 1):
        optimiser.param_groups[0]["lr"] = settings.lr * min(1.0, step / settings.warmup)
        timesteps = _spread_timesteps(len(batch), generator)
        noise = torch.randn(batch.latents.shape, generator=generator)
        loss = denoising_loss(pipeline, batch.latents, batch.conditions, noise, timesteps).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        average.update(trained)
    with torch.no_grad():
        for parameter, mean in zip(parameters, average.model.parameters(), strict=True):
            parameter.copy_(mean)
    if settings.method == "lora":
        pipeline.unet = unet = model.merge_and_unload()
    unet.requires_grad_(False).eval()
    return {name: value.clone() for name, value in unet.state_dict().items()}


def _spread_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """Draw one timestep from each of `count` equal parts of the schedule, in random order."""
    spread = torch.arange(count) + torch.rand(count, generator=generator)
    return (1000 * spread[torch.randperm(count, generator=generator)] / count).long()


def _batches(
    licensed: TrainingSet,
    base: TrainingSet,
    new_works: int,
    settings: FinetuneSettings,
    generator: torch.Generator,
) -> Iterator[TrainingSet]:
    from_base = round(settings.batch * settings.base_share)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(settings.steps(new_works)):
        while len(order) < settings.batch - from_base:
            order = torch.cat([order, torch.randperm(len(licensed), generator=generator)])
        chosen, order = order.split(
            [settings.batch - from_base, len(order) - settings.batch + from_base]
        )
        replay = torch.randint(len(base), (from_base,), generator=generator)
        yield TrainingSet.join([licensed[chosen], base[replay]])


def _with_adapters(unet: Any, rank: int, generator: torch.Generator) -> Any:
    """Wrap the UNet with LoRA adapters on its attention projections."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        init_lora_weights=False,
        target_modules=["to_k", "to_q", "to_v", "to_out.0"],
    )
    model = get_peft_model(unet, config)
    # Seeded start that changes nothing yet: random A, zero B.
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            scale = 1 / math.sqrt(parameter.shape[1])
            parameter.data = torch.randn(parameter.shape, generator=generator) * scale
        elif "lora_B" in name:
            parameter.data.zero_()
    return model
