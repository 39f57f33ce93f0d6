"""A build's steps on the meta device: what they need of a GPU, without one.

The steps are those that a build runs. Memory is what tensors hold; FLOPs are two a multiply-add.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from copyright_gym.art.adapters import add_adapters, read_weights, trainable_parameters
from copyright_gym.art.autoencoder import images_at_once
from copyright_gym.art.blueprint import (
    meta_conditions,
    meta_latents,
    meta_pipeline,
    read_blueprint,
)
from copyright_gym.art.cuda_stand_ins import cuda_stand_ins
from copyright_gym.art.diffusion import PRECISIONS
from copyright_gym.art.finetune import FinetuneSettings, RoundTraining, TrainingSet
from copyright_gym.art.memory_meter import MemoryMeter
from copyright_gym.art.sampling import Sampling, generate_latents, works_at_once

_PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")


@dataclass(frozen=True)
class Phase:
    """One kind of step.

    Attributes:
        peak: Most bytes at once, the models' weights included.
        flops: FLOPs of one unit: an optimiser step, or a work.
    """

    peak: int
    flops: float


@dataclass(frozen=True)
class Rehearsal:
    """What the steps of a build need.

    Attributes:
        parameters: Parameters of each part of the pipeline; `trained` are those that change.
        weights: Bytes of all weights.
        gradients: Bytes of gradients.
        optimiser: Bytes of AdamW's states and of the weight average.
        training: An optimiser step.
        drawing: Drawing a work's latents, all sampling steps.
        decoding: Turning a work's latents into pixels.
        encoding: The reverse.
    """

    parameters: dict[str, int]
    weights: int
    gradients: int
    optimiser: int
    training: Phase
    drawing: Phase
    decoding: Phase
    encoding: Phase


def rehearse(
    base: str | Path, settings: FinetuneSettings, sampling: Sampling, size: int
) -> Rehearsal:
    """Run each kind of step of a build on the meta device.

    Args:
        base: Folder of a base model, or SDXL 1.0's hub name; only configurations are read.
        settings: How a round trains.
        sampling: How works are drawn.
        size: Side of the works in pixels.
    """
    pipeline = meta_pipeline(read_blueprint(base), settings.method, settings.precision)
    if settings.vae is not None:
        torch.nn.Module.to(pipeline.vae, PRECISIONS[settings.precision])
    parameters = {name: _count(getattr(pipeline, name).parameters()) for name in _PARTS}
    if settings.method == "lora":
        add_adapters(pipeline.unet, settings.lora_rank)
    trained = trainable_parameters(pipeline.unet)
    held = [p for part in _PARTS for m in [getattr(pipeline, part)] for p in _tensors(m)]
    training = _training(pipeline, settings, size, held)
    return Rehearsal(
        parameters={**parameters, "trained": _count(trained)},
        weights=sum(tensor.nbytes for tensor in held),
        gradients=sum(p.nbytes for p in trained),
        optimiser=3 * sum(p.nbytes for p in trained),
        training=training,
        drawing=_drawing(pipeline, settings, sampling, size, held),
        decoding=_decoding(pipeline, size, held),
        encoding=_encoding(pipeline, size, held),
    )


class _Meters:
    def __init__(self, held: list[torch.Tensor], autocast: torch.dtype) -> None:
        self.memory = MemoryMeter()
        self.memory.count(held)
        self.flops = FlopCounterMode(display=False)
        self._autocast = autocast

    @contextmanager
    def running(self) -> Iterator[None]:
        with self.memory, cuda_stand_ins(self._autocast):
            yield

    def phase(self, units: float) -> Phase:
        return Phase(self.memory.peak, self.flops.get_total_flops() / units)


def _training(
    pipeline: Any, settings: FinetuneSettings, size: int, held: list[torch.Tensor]
) -> Phase:
    meters = _Meters(held, PRECISIONS[settings.precision])
    works = TrainingSet(meta_latents(pipeline, 1, size), meta_conditions(pipeline, 1, size))
    weights = read_weights(pipeline.unet)
    with meters.running():
        training = RoundTraining(
            pipeline, weights, works, works, settings.batch, settings, torch.Generator()
        )
        with meters.flops:  # its hooks keep activations alive
            training.step()
        meters.memory.peak = meters.memory.live
        training.step()  # with the optimiser's states, which the first step made
    training.finish()
    return meters.phase(1)


def _drawing(
    pipeline: Any,
    settings: FinetuneSettings,
    sampling: Sampling,
    size: int,
    held: list[torch.Tensor],
) -> Phase:
    meters = _Meters(held, PRECISIONS[settings.precision])
    noise = torch.zeros(1, *meta_latents(pipeline, 1, size).shape[1:])
    count = works_at_once(noise)
    with meters.running(), meters.flops:
        generate_latents(
            pipeline,
            meta_conditions(pipeline, count, size),
            noise.expand(count, -1, -1, -1),
            sampling=Sampling(1, sampling.guidance),
        )
    return meters.phase(count / sampling.steps)


@torch.no_grad()
def _decoding(pipeline: Any, size: int, held: list[torch.Tensor]) -> Phase:
    meters, count = _Meters(held, torch.float32), images_at_once(size)
    with meters.running(), meters.flops:
        pipeline.vae.decode(meta_latents(pipeline, count, size).to(pipeline.vae.dtype))
    return meters.phase(count)


@torch.no_grad()
def _encoding(pipeline: Any, size: int, held: list[torch.Tensor]) -> Phase:
    meters, count = _Meters(held, torch.float32), images_at_once(size)
    with meters.running(), meters.flops:
        pixels = torch.empty(count, 3, size, size, dtype=pipeline.vae.dtype, device="meta")
        pipeline.vae.encode(pixels)
    return meters.phase(count)


def _tensors(model: torch.nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()]


def _count(parameters: Any) -> int:
    return sum(p.numel() for p in parameters)
