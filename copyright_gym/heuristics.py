"""Heuristic policies: uniform, greedy and random. Source: our reconstruction."""

from __future__ import annotations

from bisect import bisect_right
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.observations import HOLDER_FEATURES, MARKUPS, ROUND_FEATURES, SHARES
from copyright_gym.policies import Level

Observation = NDArray[np.float32]
Mask = NDArray[np.bool_]
Actions = NDArray[np.int64]

_LEFT = ROUND_FEATURES.index("even_share")
_MONEY = HOLDER_FEATURES.index("round_left")
_SHARE = HOLDER_FEATURES.index("even_share")
_COST = HOLDER_FEATURES.index("cost")

_STEPS = len(SHARES) - 1
_MARKUPS = MARKUPS.tolist()

# Observations are float32: a quotient that should reach a grid point may miss it by this.
_SLACK = 1e-6


class _Heuristic:
    """A policy without state."""

    level: Level = "round"
    order: str | None = None
    stateless: ClassVar[bool] = True

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Do nothing: the policy has no state."""


class _Seeded:
    """A policy whose only state is its generator."""

    level: Level = "round"
    order: str | None = None

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Keep the generator."""
        self._rng = rng


class _RandomChoice(_Seeded):
    """Uniform choice among the legal actions."""

    def act(self, observation: Observation, mask: Mask) -> Actions:
        """Draw a legal action per market."""
        draws = self._rng.random(mask.shape)
        return np.asarray(np.where(mask, draws, -1.0).argmax(axis=1))


class UniformRound(_Heuristic):
    """Spread what is left evenly over the rounds left, to the nearest share on the grid."""

    def act(self, observation: Observation, mask: Mask) -> Actions:
        """Choose the share nearest to 1 / rounds left."""
        return np.rint(_STEPS * observation[:, _LEFT]).astype(np.int64)

    def act_one(self, observation: Observation, mask: Mask) -> int:
        """Choose the same for one market."""
        return round(float(_STEPS * observation[_LEFT]))


class GreedyRound(_Heuristic):
    """Spend early: a fixed share of what is left in each round, and all in the last one.

    Args:
        share: the share, rounded to the grid.
    """

    def __init__(self, share: float = 0.9) -> None:
        self.share = share
        self._action = round(_STEPS * share)

    def act(self, observation: Observation, mask: Mask) -> Actions:
        """Choose the fixed share, or everything if one round is left."""
        last = observation[:, _LEFT] > 1 - _SLACK
        return np.where(last, _STEPS, self._action).astype(np.int64)


class AllRound(_Heuristic):
    """Set everything aside in each round, for holder policies that pace themselves."""

    def act(self, observation: Observation, mask: Mask) -> Actions:
        """Choose everything."""
        return np.full(len(mask), _STEPS)


class RandomRound(_RandomChoice):
    """Set a random share aside."""


class UniformHolder(_Heuristic):
    """Offer an even share of the money left per holder left, rounded down to a markup.

    A share below the lowest markup is no offer; it raises the shares of the holders after.
    """

    level: Level = "holder"

    def act(self, observation: Observation, mask: Mask) -> Actions:
        """Choose the highest markup that an even share pays for."""
        share = observation[:, _MONEY] * observation[:, _SHARE]
        markup = share / np.maximum(observation[:, _COST], 1e-12)
        wanted = np.searchsorted(MARKUPS, markup * (1 + _SLACK), side="right") - 1
        return highest_legal(mask, wanted)

    def act_one(self, observation: Observation, mask: Mask) -> int:
        """Choose the same for one market."""
        share = observation[_MONEY] * observation[_SHARE]
        markup = share / max(observation[_COST], 1e-12) * (1 + _SLACK)
        return _highest_legal_one(mask, bisect_right(_MARKUPS, float(markup)) - 1)


class GreedyHolder(_Heuristic):
    """Visit holders by falling contribution per cost; offer a fixed markup until broke.

    Args:
        markup: the price per base expectation, rounded up to a markup on the grid.
    """

    level: Level = "holder"
    order: str | None = "value"

    def __init__(self, markup: float = 1.2) -> None:
        self.markup = markup
        self._wanted = min(int(np.searchsorted(MARKUPS, markup)), len(MARKUPS) - 1)

    def act(self, observation: Observation, mask: Mask) -> Actions:
        """Choose the fixed markup, or what is left of the money."""
        return highest_legal(mask, np.full(len(mask), self._wanted))

    def act_one(self, observation: Observation, mask: Mask) -> int:
        """Choose the same for one market."""
        return _highest_legal_one(mask, self._wanted)


class RandomHolder(_RandomChoice):
    """Make a random offer."""

    level: Level = "holder"


class RandomJoint(_Seeded):
    """Draw the share and all offers of a round at random."""

    level: Level = "joint"

    def act(self, observation: Observation, mask: Mask) -> NDArray[np.float32]:
        """Draw a point of the action box per market."""
        return self._rng.uniform(-1.0, 1.0, mask.shape).astype(np.float32)


def highest_legal(mask: Mask, wanted: Actions) -> Actions:
    """Return the highest legal action that is at most the wanted one.

    Args:
        mask: bool (n, k), action 0 being legal.
        wanted: int64 (n,), at least 0.

    Returns:
        int64 (n,).
    """
    actions = np.arange(mask.shape[1])
    fits = mask & (actions <= wanted[:, None])
    return np.asarray(actions[-1] - fits[:, ::-1].argmax(axis=1))


def _highest_legal_one(mask: Mask, wanted: int) -> int:
    legal = mask.tolist()
    while not legal[wanted]:
        wanted -= 1
    return wanted
