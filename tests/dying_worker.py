"""A studio that does arithmetic in place of training; its process can be killed in a round."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import torch

from copyright_gym.art.adapters import Weights


class MortalStudio:
    """Stands in for `Studio` where only the bookkeeping of runs counts.

    Args:
        flag: A file; as long as it isn't there, the first second round makes it and dies.
    """

    def __init__(self, flag: Path | None = None) -> None:
        self.flag = flag
        self.base_weights: Weights = {"weight": torch.zeros(3)}

    def train_round(
        self, weights: Weights, history: Sequence[Sequence[int]], seed: int, checkpoint: Path
    ) -> Weights:
        if self.flag is not None and len(history) == 2 and not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        bought = sum(1 + member for member in history[-1])
        return {"weight": weights["weight"] * 1.7 + bought * (1 + seed / 7)}

    def measure(self, weights: Weights) -> float:
        return float(weights["weight"].sum())
