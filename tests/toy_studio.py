"""Studios whose process is killed; a module of its own, so that worker processes can import it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from copyright_gym.art.studio import Studio, round_seed


class ToyStudio:
    """Has three numbers for weights; stands in where only the handling of runs is tested."""

    base_weights = {"w": torch.ones(3)}  # noqa: RUF012

    def train_round(self, weights: Any, history: Any, seed: int, *rest: Any) -> Any:
        generator = torch.Generator().manual_seed(round_seed(history, seed))
        return {"w": weights["w"] + torch.rand(3, generator=generator)}

    def measure(self, weights: Any) -> float:
        return float(weights["w"].prod())


def make_mortal_studio(make_studio: Callable[[], Studio], lives: Path) -> Studio:
    """Kill the process in a run's second round, once for each file in the folder `lives`."""
    studio = make_studio()
    train = studio.train_round

    def train_round(weights: Any, history: Any, *rest: Any) -> Any:
        if len(history) == 2:
            for life in lives.iterdir():
                life.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        return train(weights, history, *rest)

    studio.train_round = train_round  # type: ignore[method-assign]
    return studio


def make_broken_studio() -> Studio:
    raise FileNotFoundError("no base model here")
