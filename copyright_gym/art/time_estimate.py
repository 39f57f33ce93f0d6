"""How long real fine-tuning takes on this machine, from a few real steps and samples."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch

from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.studio import Studio

_STEPS: Final = 5
_SAMPLES: Final = 64


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds that rounds take.

    Attributes:
        step: Seconds of an optimiser step.
        measure: Seconds to draw works from the fine-tuned model and measure their distance.
        settings: How a round trains.
        lot_works: Works of each lot, by round and holder.
    """

    step: float
    measure: float
    settings: FinetuneSettings
    lot_works: tuple[tuple[int, ...], ...]

    def round(self, new_works: int) -> float:
        """Return the seconds of a round that licenses `new_works` works; without works, 0."""
        return self.step * self.settings.steps(new_works) + self.measure if new_works else 0.0

    def history(self, history: tuple[tuple[int, ...], ...]) -> float:
        """Return the seconds of a purchase history, a tuple of holder indices a round."""
        return sum(
            self.round(sum(works[i] for i in members))
            for works, members in zip(self.lot_works, history, strict=False)
        )

    @property
    def longest(self) -> float:
        """Seconds of an episode that buys everything."""
        return sum(self.round(sum(works)) for works in self.lot_works)

    def __str__(self) -> str:
        """Say it in a line."""
        smallest = min(works for row in self.lot_works for works in row if works)
        largest = max(map(sum, self.lot_works))
        return (
            f"a round takes {spoken(self.round(smallest))} (one lot) to "
            f"{spoken(self.round(largest))} (all lots) on this machine, an episode at most "
            f"{spoken(self.longest)}"
        )


def estimate_time(studio: Studio) -> TimeEstimate:
    """Time a few steps and samples, and scale them up; results stay as they would have been.

    Args:
        studio: What rounds are trained in.
    """
    everyone = tuple(range(len(studio.collection.holders)))
    training = studio.training(studio.base_weights, (everyone,), seed=0)
    training.step()  # the first is slower

    def train() -> None:
        for _ in range(_STEPS):
            training.step()

    step = _seconds(studio.pipeline, train) / _STEPS
    training.finish()
    works = len(studio.conditions)
    samples = min(_SAMPLES, works)

    def measure() -> None:
        studio.distance(studio.generate(studio.conditions[:samples], studio.noise[:samples]))

    return TimeEstimate(
        step,
        _seconds(studio.pipeline, measure) * works / samples,
        studio.settings,
        tuple(tuple(len(lot) for lot in lots) for lots in studio.collection.lots),
    )


def _seconds(pipeline: Any, work: Callable[[], None]) -> float:
    def now() -> float:
        if pipeline.unet.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    started = now()
    work()
    return now() - started


def spoken(seconds: float) -> str:
    """Return a time as text in a unit that suits it."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
