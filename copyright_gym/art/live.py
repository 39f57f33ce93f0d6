"""The live quality model: every round really fine-tunes and measures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.adapters import Weights
from copyright_gym.art.corpus import History, Run, RunStore
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.recipes import find_recipe
from copyright_gym.art.sampling import Sampling
from copyright_gym.art.studio import Studio
from copyright_gym.art.works_recipe import WORKS
from copyright_gym.errors import PackError
from copyright_gym.market import MarketConfig
from copyright_gym.pack import Pack, load_pack
from copyright_gym.policies import Policy
from copyright_gym.rollout import play

LIVE_FOLDER = Path("runs/live")


def pack_studio(pack: Pack) -> Studio:
    """Set up the studio that a pack was measured in, and check that it draws the same works.

    Raises:
        PackError: If the installed sources draw other held-out works than the pack was made of, or
            the works are those of a user's folder.
        MissingWorksError: If packages that works are drawn from were not fetched.
    """
    settings = FinetuneSettings(**pack.provenance["finetune"])
    if pack.provenance["recipe"] == WORKS:
        raise PackError(
            f"pack {pack.name!r} was built from a folder of works, which it doesn't hold; live "
            "rounds are played on packs whose works can be drawn again"
        )
    recipe = find_recipe(pack.provenance["recipe"])
    studio = recipe.studio(
        pack.folder / "base",
        settings,
        pack.provenance["feature"],
        Sampling(**pack.provenance.get("sampling", {})),
    )
    expected = pack.provenance["works"]["held_out_sha256"]
    if studio.collection.held_out.digest() != expected:
        raise PackError(
            f"the recipe {recipe.name!r} gives other works here than those pack {pack.name!r} was "
            f"measured on; install the versions in its manifest: {pack.provenance['packages']}"
        )
    return studio


class LiveQuality:
    """Asks a real fine-tuning run; measured distances are kept on disk by history and seed.

    Args:
        pack: The pack to play on.
        folder: Where measured distances are kept; `LIVE_FOLDER` by default.
        seed: Seed of the training runs.
    """

    marginal: ClassVar[bool] = False

    def __init__(self, pack: Pack, folder: Path | None = None, seed: int = 0) -> None:
        """Set up the studio."""
        self.base_distance = pack.quality.base_distance
        self.studio = pack_studio(pack)
        self.store = RunStore((folder or LIVE_FOLDER) / pack.name)
        self.seed = seed
        self._weights: dict[History, Weights] = {(): self.studio.base_weights}

    def quality(self, bought: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Fine-tune and measure purchase histories.

        Args:
            bought: (n, T, H) bool, as in `QualityModel.quality`.

        Returns:
            (n,) float64 quality.
        """
        return np.array([self._quality(_history(rows)) for rows in bought])

    def _quality(self, history: History) -> float:
        if not history:
            return 0.0
        run = Run(history, self.seed)
        distances = self.store.distances(run)
        if not distances:
            started = time.monotonic()
            distances = [self.studio.measure(self._trained(history))]
            self.store.save_distances(run, distances)
            seconds = time.monotonic() - started
            print(f"fine-tuned and measured round {len(history)} in {seconds:.0f} s", flush=True)
        return 1 - distances[0] / self.base_distance

    def _trained(self, history: History) -> Weights:
        if history not in self._weights:
            before = self._trained(history[:-1])
            self._weights[history] = self.studio.train_round(before, history, self.seed)
        return self._weights[history]


def _history(bought: NDArray[np.bool_]) -> History:
    """Return the rounds up to the last purchase; empty rounds after it change nothing."""
    last = np.flatnonzero(bought.any(axis=1))
    rows = bought[: last[-1] + 1] if len(last) else bought[:0]
    return tuple(tuple(np.flatnonzero(row).tolist()) for row in rows)


def live_quality(pack: Pack) -> LiveQuality:
    """Return the live quality model of a pack."""
    return LiveQuality(pack)


def play_live(pack_name: str, round_policy: Policy, holder_policy: Policy, seed: int) -> None:
    """Play one episode with real fine-tuning; print predicted against measured quality.

    Args:
        pack_name: Name or folder of the pack.
        round_policy: Decides on rounds.
        holder_policy: Decides on holders.
        seed: Seed of the market and of the training runs.
    """
    pack = load_pack(pack_name)
    started = time.monotonic()
    live = LiveQuality(pack, seed=seed)
    config = MarketConfig(pack=pack_name)
    episodes = play(config, round_policy, holder_policy, [seed], quality_model=live)
    print(f"\nLive episode, pack {pack.name!r}, seed {seed}, {time.monotonic() - started:.0f} s:")
    print("round  bought  predicted  measured")
    for t in range(pack.rounds):
        so_far = episodes.bought[:1].copy()
        so_far[:, t + 1 :] = False
        predicted = pack.surrogate.quality(so_far)[0]
        bought = int(episodes.bought[0, t].sum())
        print(f"{t + 1:5d}  {bought:6d}  {predicted:9.4f}  {episodes.quality[0, t]:8.4f}")
    print(f"Noise between seeds of real runs: {pack.quality.noise_std:.4f}")
