"""The live quality model: every round really fine-tunes and measures."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from copyright_gym.art.adapters import Weights
from copyright_gym.art.corpus import History, Run
from copyright_gym.art.pack_studio import NOTHING, Brought, pack_studio, require_studio
from copyright_gym.art.round_cache import RoundCache
from copyright_gym.art.source_package import cache_folder
from copyright_gym.art.studio import Studio
from copyright_gym.art.time_estimate import TimeEstimate, estimate_time, spoken
from copyright_gym.market import MarketConfig
from copyright_gym.pack import Pack, load_pack
from copyright_gym.pack_files import read_manifest, sha256
from copyright_gym.policies import Policy
from copyright_gym.rollout import play


class LiveQuality:
    """Asks real fine-tuning; finished rounds are kept on disk by purchase history and seed.

    Rounds are trained with one torch thread, as those of the pack were. A round that was killed
    goes on from its last stored step and ends with the same bits.

    Args:
        pack: The pack to play on.
        folder: Where rounds are kept; by default `live` in `cache_folder()`.
        seed: Seed of the training runs.
        progress: Whether to show the time estimate, a progress bar and the time that rounds took,
            on stderr.
        brought: What the pack doesn't hold.

    Raises:
        PackError: The pack can't be fine-tuned on, see `require_studio`.
        CacheError: The folder cannot be written to.
    """

    marginal: ClassVar[bool] = False

    def __init__(
        self,
        pack: Pack,
        folder: Path | None = None,
        seed: int = 0,
        progress: bool = True,
        brought: Brought = NOTHING,
    ) -> None:
        """Open the cache; the studio is set up when the first round is to be trained."""
        require_studio(pack, brought)
        self.pack = pack
        self.brought = brought
        self.seed = seed
        self.progress = progress
        self.base_distance = pack.quality.base_distance
        self.folder = folder or cache_folder() / "live"
        self.cache = RoundCache(self.folder / studio_name(pack))

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the pack to be read again, so that a copy shares the studio."""
        return _reopened, (
            self.pack.folder,
            self.folder,
            self.seed,
            self.progress,
            self.brought,
        )

    @property
    def studio(self) -> Studio:
        """The studio of the pack."""
        return pack_studio(self.pack, self.brought)

    def quality(self, bought: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Fine-tune and measure purchase histories.

        Args:
            bought: (n, T, H) bool, as in `QualityModel.quality`.

        Returns:
            (n,) float64 quality.
        """
        with _one_thread():
            return np.array([self._quality(_history(rows)) for rows in bought])

    def _quality(self, history: History) -> float:
        if not history:
            return 0.0
        run = Run(history, self.seed)
        distance = self.cache.distance(run)
        if distance is None:
            with self.cache.alone_on(run):
                distance = self.cache.distance(run)  # another process may have been faster
                if distance is None:
                    distance = self._measured(run)
        return 1 - distance / self.base_distance

    def _measured(self, run: Run) -> float:
        if self.progress:
            _announce(self.pack, self.brought, self.cache.folder)
        started = time.monotonic()
        distance = self.studio.measure(self._trained(run))
        self.cache.save_distance(run, distance)
        if self.progress:
            seconds = spoken(time.monotonic() - started)
            _say(f"fine-tuned and measured round {len(run.history)} in {seconds}")
        return distance

    def _trained(self, run: Run) -> Weights:
        """Return the weights after a round that no other process is on."""
        weights = self.cache.weights(run)
        if weights is None:
            before = self._before(run)
            self.cache.drop_damaged_steps(run)
            unfinished = self.cache.unfinished_path(run)
            with self.cache.writing():
                weights = self.studio.train_round(
                    before, run.history, run.seed, unfinished, self.progress
                )
            self.cache.save_weights(run, weights)
        return weights

    def _before(self, run: Run) -> Weights:
        history = trimmed(run.history[:-1])
        if not history:
            return self.studio.base_weights
        earlier = Run(history, run.seed)
        with self.cache.alone_on(earlier):
            return self._trained(earlier)


def _reopened(
    pack_folder: Path, folder: Path, seed: int, progress: bool, brought: Brought
) -> LiveQuality:
    return LiveQuality(load_pack(pack_folder), folder, seed, progress, brought)


@functools.lru_cache(maxsize=1)
def pack_estimate(pack: Pack, brought: Brought = NOTHING) -> TimeEstimate:
    """Return how long rounds of a pack take on this machine; measured once a process.

    Args:
        pack: The pack to play on.
        brought: What it doesn't hold.
    """
    with _one_thread():
        return estimate_time(pack_studio(pack, brought))


@functools.cache
def _announce(pack: Pack, brought: Brought, folder: Path) -> None:
    """Tell once how long live play will take and where it keeps its rounds."""
    _say(f"live play on pack {pack.name!r}: {pack_estimate(pack, brought)}")
    _say(f"finished rounds are kept in {folder}")


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Use one torch thread, as the builder does: the last bits depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def studio_name(pack: Pack) -> str:
    """Return a folder name that tells apart all that decides on a pack's measurements.

    A new fit of the surrogate does not change it.
    """
    files = read_manifest(pack.folder)["files"]
    facts: dict[str, Any] = {
        "base": {name: files[name] for name in files if name.startswith("base/")}
        or pack.provenance["base"],
        **{name: pack.provenance[name] for name in ("recipe", "finetune", "feature", "works")},
    }
    return f"{pack.name}-{sha256(json.dumps(facts, sort_keys=True).encode())[:12]}"


def _history(bought: NDArray[np.bool_]) -> History:
    return trimmed([tuple(np.flatnonzero(row).tolist()) for row in bought])


def trimmed(rounds: Sequence[tuple[int, ...]]) -> History:
    """Return a history's rounds up to the last purchase; empty rounds after it change nothing."""
    last = max((t + 1 for t, members in enumerate(rounds) if members), default=0)
    return tuple(rounds[:last])


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
