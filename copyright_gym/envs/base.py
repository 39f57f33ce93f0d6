"""What the environments of one market share: seeding, the info dictionary, rendering."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.envs.rendering import FPS, RENDER_MODES, Frame, Viewer
from copyright_gym.errors import OptionError, listed
from copyright_gym.features import MARKUPS, SHARES, bounds
from copyright_gym.policies import Level, Policy, answers_one, as_policy, is_stateless
from copyright_gym.single import SingleMarket
from copyright_gym.single_make import make_single

Observation = NDArray[np.float32]
Action = TypeVar("Action")
Step = tuple[Observation, float, bool, bool, dict[str, Any]]

_SHARES = SHARES.tolist()
_INTEGERS = (np.int64, int)
_CHOICES = len(MARKUPS)


class MarketEnv(gym.Env[Observation, Action]):
    """A view of one market; subclasses say what a step decides and what is seen.

    Attributes:
        market: the kernel. It also holds what policies must not see.
    """

    metadata = {  # noqa: RUF012 - gymnasium declares it as an instance variable
        "render_modes": RENDER_MODES,
        "render_fps": FPS,
    }

    def __init__(
        self, config: MarketConfig, features: tuple[str, ...], reveal: bool, render_mode: str | None
    ) -> None:
        """Make a market and set the observation space.

        Args:
            config: the options of the market.
            features: names of the features of an observation.
            reveal: whether infos tell the hidden expectations.
            render_mode: one of `metadata["render_modes"]`, or None.

        Raises:
            OptionError: an option is impossible.
            PackError: the pack is unknown or damaged.
        """
        check_flags(reveal, render_mode)
        self.market = make_single(config)
        self.reveal = reveal
        self.render_mode = render_mode
        self._viewer = Viewer()
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
        self.market.reset(self.np_random)
        self._start(seed is not None)
        if self.render_mode == "human":
            self.render()
        return self._observe(), self._info()

    def render(self) -> Any:
        """Draw the market as `render_mode` says.

        Returns:
            A table (str) for "ansi", uint8 (height, width, 3) for "rgb_array", else None.
        """
        if self.render_mode == "ansi":
            return Frame.of(self.market).text()
        if self.render_mode is None:
            gym.logger.warn("render() draws nothing: no render_mode was given to gym.make")
            return None
        return self._viewer.draw(Frame.of(self.market), self.render_mode)

    def close(self) -> None:
        """Close the window, if there is one."""
        self._viewer.close()

    def _start(self, seeded: bool) -> None:
        """Do what comes before the first decision of an episode."""

    def _observe(self) -> Observation:
        """Return the observation of the market in a new array, float32 (d,)."""
        raise NotImplementedError

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {"quality": self.market.quality}
        if self.reveal:
            info["hidden"] = {"expectations": self.market.expectations}
        return info

    def _result(self, reward: float) -> Step:
        if self.render_mode == "human":
            self.render()
        return self._observe(), reward, not self.market.running, False, self._info()


class DiscreteMarketEnv(MarketEnv[np.int64]):
    """A view of one level of the hierarchy; a given policy decides at the other level.

    Attributes:
        policy: the policy of the other level.
    """

    other_level: ClassVar[Level]

    def __init__(
        self,
        config: MarketConfig,
        features: tuple[str, ...],
        policy: str | Policy,
        reveal: bool,
        render_mode: str | None,
    ) -> None:
        """Make a market and keep the policy of the other level.

        Args:
            config: the options of the market.
            features: names of the features of an observation.
            policy: name or object of the policy of the other level.
            reveal: whether infos tell the hidden expectations.
            render_mode: one of `metadata["render_modes"]`, or None.

        Raises:
            OptionError: an option is impossible.
            PackError: the pack is unknown or damaged.
            PolicyError: the policy is unknown or of the wrong level.
        """
        super().__init__(config, features, reveal, render_mode)
        self.action_space = Discrete(len(MARKUPS))
        self.policy = as_policy(policy, self.other_level, self.market.config)
        self._policy_generator: np.random.Generator | None = None

    def set_policy(self, policy: str | Policy) -> None:
        """Change the policy of the other level; it decides from its next decision on.

        Args:
            policy: name or object of the policy.

        Raises:
            PolicyError: the policy is unknown or of the wrong level.
        """
        self.policy = as_policy(policy, self.other_level, self.market.config)
        self._reset_policy()

    def action_masks(self) -> NDArray[np.bool_]:
        """Return the legal actions: those that differ from all lower ones.

        Illegal ones are redundant, not forbidden: every action in the space is playable.

        Returns:
            bool (11,), True where legal.
        """
        return self._mask().view(np.bool_)

    def _start(self, seeded: bool) -> None:
        if seeded:
            self._policy_generator = None
        self._reset_policy()

    def _reset_policy(self) -> None:
        if is_stateless(self.policy):
            return
        if self._policy_generator is None:
            # A child generator keeps the market's own randomness free of the policy's.
            self._policy_generator = self.np_random.spawn(1)[0]
        self.policy.reset(1, self._policy_generator)

    def _mask(self) -> NDArray[np.int8]:
        """Return the legal actions in a new array, int8 (11,), 1 where legal."""
        raise NotImplementedError

    def _info(self) -> dict[str, Any]:
        info = super()._info()
        info["action_mask"] = self._mask()
        return info

    def _checked(self, action: Any) -> int:
        """Return an action as an int."""
        # The common types first: asking the space takes longer than the rest of a step.
        if type(action) in _INTEGERS:
            number = int(action)
            if 0 <= number < _CHOICES:
                return number
        if not self.action_space.contains(action):
            raise InvalidAction(f"{action!r} is not in {self.action_space}")
        return int(action)


def open_round(market: SingleMarket, policy: Policy) -> None:
    """Begin a round with the share that a round policy chooses.

    Args:
        market: the market, between rounds.
        policy: the round policy.
    """
    observation, mask = market.round_observation(), market.round_mask()
    market.begin_round(_SHARES[_answer(policy, observation, mask)])


def finish_round(market: SingleMarket, policy: Policy) -> float:
    """Let a holder policy make all offers of an open round, and close it.

    Args:
        market: the market, at the start of a round.
        policy: the holder policy.

    Returns:
        The sum of the rewards.
    """
    reward = 0.0
    while market.due:
        action = _answer(policy, market.holder_observation(), market.holder_mask())
        reward += market.offer(action)
    return reward + market.end_round()


def _answer(policy: Policy, observation: Observation, mask: NDArray[np.int8]) -> int:
    """Return what a policy does in one market."""
    act_one, legal = answers_one(policy), mask.view(np.bool_)
    if act_one:
        return act_one(observation, legal)
    return int(policy.act(observation[None], legal[None])[0])


def check_flags(reveal: bool, render_mode: str | None) -> None:
    """Check the options that are no part of a market.

    Args:
        reveal: should be a bool.
        render_mode: should be one of `RENDER_MODES`, or None.

    Raises:
        OptionError: one of them is something else.
    """
    if not isinstance(reveal, bool):
        raise OptionError(f"reveal must be True or False, not {reveal!r}")
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise OptionError(f"unknown render_mode {render_mode!r}; known: {listed(RENDER_MODES)}")
