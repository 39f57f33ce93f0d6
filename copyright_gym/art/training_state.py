"""Training that can be stopped at any time and goes on with the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from tqdm import trange

from copyright_gym.art.tensor_files import load_tensors, save_tensors
from copyright_gym.art.weight_average import WeightAverage
from copyright_gym.errors import OptionError

SAVE_EVERY: Final = 250  # steps


class TrainingState:
    """Everything that changes in a training loop, kept in one safetensors file.

    Args:
        path: Where the state is kept; None keeps none.
        model: The modules that are trained.
        optimiser: An AdamW over parameters of `model`.
        schedule: Its learning-rate schedule, a function of the step alone.
        generator: Source of all randomness.
        average: Average of the weights, if one is kept.
    """

    def __init__(
        self,
        path: Path | None,
        model: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        generator: torch.Generator,
        average: WeightAverage | None = None,
    ) -> None:
        """Collect the parts."""
        self.path = path
        self.optimiser = optimiser
        self.schedule = schedule
        self.generator = generator
        self.models: dict[str, torch.nn.Module] = {"model": model}
        if average is not None:
            self.models["average"] = average.model

    def steps(self, total: int, title: str) -> Iterator[int]:
        """Yield the steps that are left of `total`; the state is saved on the way and at the end.

        Raises:
            OptionError: If the stored state is of another training.
        """
        done = self._load(self.path, total) if self.path is not None and self.path.exists() else 0
        for step in trange(done, total, initial=done, total=total, desc=title, mininterval=5):
            yield step
            if self.path is not None and ((step + 1) % SAVE_EVERY == 0 or step + 1 == total):
                self._save(self.path, step + 1, total)

    def _save(self, path: Path, done: int, total: int) -> None:
        tensors = {"generator": self.generator.get_state()}
        for part, model in self.models.items():
            tensors |= {f"{part}.{name}": value for name, value in model.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        # Cloned, as safetensors takes no tensors that share memory.
        save_tensors(
            path,
            {name: value.detach().clone() for name, value in tensors.items()},
            {"done": str(done), "total": str(total)},
        )

    def _load(self, path: Path, total: int) -> int:
        tensors, metadata = load_tensors(path)
        if int(metadata["total"]) != total:
            raise OptionError(
                f"{path} is the state of a training of {metadata['total']} steps, not of "
                f"{total}; choose another --work folder"
            )
        for part, model in self.models.items():
            prefix = f"{part}."
            model.load_state_dict(_below(tensors, prefix))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, "optimiser.").items():
            index, _, key = name.partition(".")
            states.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": states})
        self.generator.set_state(tensors["generator"])
        done = int(metadata["done"])
        self._wind_schedule(done)
        return done

    def _wind_schedule(self, done: int) -> None:
        position: dict[str, Any] = {"last_epoch": done - 1, "_step_count": done}
        self.schedule.load_state_dict(position)
        self.schedule.step()


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
