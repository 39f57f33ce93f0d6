"""A pack to play live with the tiny studio; a module of its own, for worker processes."""

from __future__ import annotations

import copy
import os
import signal
import sys
from functools import cache
from pathlib import Path

import numpy as np
from synthetic import make_surrogate
from tiny_studio import STYLES, shared_studio

from copyright_gym.art import finetune, live
from copyright_gym.art.finetune import RoundTraining
from copyright_gym.art.pack_studio import NOTHING, Brought
from copyright_gym.art.sampling import Sampling
from copyright_gym.art.studio import Studio
from copyright_gym.pack import Holder, Pack, QualityFacts, load_pack, write_pack

ROUNDS, HOLDERS = 2, len(STYLES)


@cache
def tiny_studio() -> Studio:
    """The shared studio, but in a hurry when it draws."""
    studio = copy.copy(shared_studio())
    studio.sampling = Sampling(steps=2)
    return studio


def tiny_pack_studio(pack: Pack, brought: Brought = NOTHING) -> Studio:
    """Stands in for `pack_studio`, whose recipes are too large for tests."""
    return tiny_studio()


def make_tiny_pack(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    works = np.array([[len(lot) for lot in lots] for lots in tiny_studio().collection.lots])
    facts = {"recipe": "tiny", "finetune": {}, "feature": "tiny", "works": {}, "corpus_seed": 0}
    base_distance = tiny_studio().measure(tiny_studio().base_weights)
    return write_pack(
        folder,
        title="Tiny",
        holders=[Holder(style, style, style, "", "", "", "") for style in STYLES],
        quality=QualityFacts("tiny", base_distance, len(tiny_studio().conditions), 0.01),
        provenance=facts,
        scores={
            "contribution": np.ones((ROUNDS, HOLDERS)),
            "semantic": np.full((ROUNDS, HOLDERS), 0.5),
            "perceptual": np.full((ROUNDS, HOLDERS), 0.5),
            "works": works.astype(np.int64),
        },
        surrogate=make_surrogate(ROUNDS, HOLDERS).to_arrays(),
        files={"base/model_index.json": b"{}", **(files or {})},
    )


def die_in_the_second_round(pack_folder: str, cache_folder: str) -> None:
    """Play live until the second round's third step, and be killed there."""
    import torch

    torch.set_num_threads(1)
    live.pack_studio = tiny_pack_studio
    step, clock = RoundTraining.step, iter(range(0, 10**6, 3600))
    finetune.time.monotonic = lambda: next(clock)  # every step is stored
    trained: list[int] = []

    def step_or_die(self: RoundTraining) -> None:
        trained.append(self.done)
        if trained.count(0) == 2 and self.done == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        step(self)

    RoundTraining.step = step_or_die
    model = live.LiveQuality(load_pack(pack_folder), Path(cache_folder), progress=False)
    model.quality(np.ones((1, ROUNDS, HOLDERS), bool))


if __name__ == "__main__":
    die_in_the_second_round(*sys.argv[1:])
