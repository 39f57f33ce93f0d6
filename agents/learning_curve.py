"""What a training has reached on the way: quality on markets that it does not learn from."""

from __future__ import annotations

import copy

import torch

from copyright_gym.agents.hierarchical_dqn import HierarchicalDQN
from copyright_gym.rollout import play

CURVE_SEEDS = range(900_000, 900_100)
"""Seeds of the markets: below those of all evaluations, and one word where trainings have two."""

_POINTS = 10


class WatchedDQN(HierarchicalDQN):
    """A hierarchical DQN that plays the same markets after every tenth of its training.

    Watching changes no bit of what is learned. Arguments are those of `HierarchicalDQN`.

    Attributes:
        curve: steps so far and mean final quality on the markets of `CURVE_SEEDS`, from the
            untrained to the trained policies.
    """

    def _watch(self, done: float) -> None:
        if done < len(self.curve) / _POINTS:
            return
        # Networks draw their first weights, and fixed policies may have a state.
        with torch.random.fork_rng(devices=[]):
            round_policy, holder_policy = copy.deepcopy(self.policies())
        episodes = play(self.config, round_policy, holder_policy, CURVE_SEEDS)
        self.curve.append((self.steps, float(episodes.quality[:, -1].mean())))
        self._note("watched quality", self.curve[-1][1])
