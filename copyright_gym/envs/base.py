"""What the environments share: one market, its seeding, and the info dictionary."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.market import Market
from copyright_gym.observations import MARKUPS, bounds
from copyright_gym.policies import Level, Policy, as_policy

Observation = NDArray[np.float32]
Action = TypeVar("Action")
Step = tuple[Observation, float, bool, bool, dict[str, Any]]


class MarketEnv(gym.Env[Observation, Action]):
    """A view of one market; subclasses say what a step decides and what is seen.

    Attributes:
        market: the kernel, with n = 1. It also holds what policies must not see.
    """

    def __init__(self, market: Market, features: tuple[str, ...]) -> None:
        """Keep a market and set the observation space.

        Args:
            market: a market with n = 1.
            features: names of the features of an observation.
        """
        self.market = market
        low, high = bounds(features)
        self.observation_space = Box(low, high, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds the generator that this and the following episodes draw from.
            options: unused.

        Returns:
            The observation and the info dictionary.
        """
        super().reset(seed=seed)
        self.market.reset([self.np_random])
        self._start()
        return self._observation(), self._info()

    def _start(self) -> None:
        """Do what comes before the first decision of an episode."""

    def _observe(self) -> Observation:
        """Return the observations of the market, float32 (1, d), in a new array."""
        raise NotImplementedError

    def _observation(self) -> Observation:
        observation: Observation = self._observe()[0]
        return observation

    def _info(self) -> dict[str, Any]:
        return {"quality": float(self.market.quality[0])}

    def _result(self, reward: NDArray[np.float64]) -> Step:
        terminated = not self.market.running[0]
        return self._observation(), float(reward[0]), terminated, False, self._info()


class DiscreteMarketEnv(MarketEnv[np.int64]):
    """A view of one level of the hierarchy; a given policy decides at the other level.

    Attributes:
        policy: the policy of the other level.
    """

    other_level: ClassVar[Level]

    def __init__(self, market: Market, features: tuple[str, ...], policy: str | Policy) -> None:
        """Keep a market and the policy of the other level.

        Args:
            market: a market with n = 1.
            features: names of the features of an observation.
            policy: name or object of the policy of the other level.

        Raises:
            PolicyError: the policy is unknown or of the wrong level.
        """
        super().__init__(market, features)
        self.action_space = Discrete(len(MARKUPS))
        self.policy = as_policy(policy, self.other_level)

    def set_policy(self, policy: str | Policy) -> None:
        """Change the policy of the other level; it decides from its next decision on.

        Args:
            policy: name or object of the policy.

        Raises:
            PolicyError: the policy is unknown or of the wrong level.
        """
        self.policy = as_policy(policy, self.other_level)
        self._reset_policy()

    def action_masks(self) -> NDArray[np.bool_]:
        """Return the legal actions: those that differ from all lower ones.

        Illegal ones are redundant, not forbidden: every action in the space is playable.

        Returns:
            bool (11,), True where legal.
        """
        mask: NDArray[np.bool_] = self._mask()[0]
        return mask

    def _mask(self) -> NDArray[np.bool_]:
        """Return the legal actions of the market, bool (1, 11)."""
        raise NotImplementedError

    def _start(self) -> None:
        self._reset_policy()

    def _reset_policy(self) -> None:
        # A child generator keeps the market's own randomness free of the policy's.
        self.policy.reset(1, self.np_random.spawn(1)[0])

    def _info(self) -> dict[str, Any]:
        return super()._info() | {"action_mask": self.action_masks().astype(np.int8)}

    def _checked(self, action: Any) -> NDArray[np.int64]:
        """Return an action for the kernel, int64 (1,)."""
        if not self.action_space.contains(action):
            raise InvalidAction(f"{action!r} is not in {self.action_space}")
        return np.array([int(action)], np.int64)


def make_market(options: dict[str, Any]) -> Market:
    """Make the market of an environment.

    Args:
        options: options of `MarketConfig` by name.

    Returns:
        A market with n = 1.

    Raises:
        OptionError: an option is unknown or impossible.
        PackError: the pack is unknown or damaged.
    """
    return Market(MarketConfig.from_options(**options))
