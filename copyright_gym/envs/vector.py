"""The three environments for many markets at once; see the single ones for what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from gymnasium.error import InvalidAction
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike

from copyright_gym.config import MarketConfig
from copyright_gym.envs.vector_base import (
    Bools,
    DiscreteVectorMarketEnv,
    Floats,
    Observations,
    VectorMarketEnv,
)
from copyright_gym.features import ROUND_FEATURES, SHARES, holder_features, joint_features
from copyright_gym.policies import Level, Policy
from copyright_gym.rollout import finish_round, joint_round, open_round
from copyright_gym.routes import Stage
from copyright_gym.tables import make_tables

_BETWEEN, _OFFERING, _VISITED = map(int, (Stage.BETWEEN, Stage.OFFERING, Stage.VISITED))


class HolderAllocationVectorEnv(DiscreteVectorMarketEnv):
    """`HolderAllocationEnv` for many markets."""

    other_level: ClassVar[Level] = "round"

    def __init__(
        self,
        num_envs: int = 1,
        round_policy: str | Policy = "uniform",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        reveal: bool = False,
        **options: Any,
    ) -> None:
        """Make the environment.

        Args:
            num_envs: number of markets, at least 1.
            round_policy: name or object of the policy at the round level.
            autoreset_mode: when a market whose episode is over begins the next.
            reveal: whether infos tell the hidden expectations.
            **options: options of `MarketConfig`.

        Raises:
            OptionError: an option is unknown or impossible.
            PackError: the pack is unknown or damaged.
            PolicyError: the policy is unknown or of the wrong level.
        """
        config = MarketConfig.from_options(**options)
        features = holder_features(config.visible_expectations)
        super().__init__(num_envs, config, features, round_policy, autoreset_mode, reveal)

    def action_masks(self) -> Bools:
        """Return the legal actions, bool (n, 11), True where legal."""
        return self.market.holder_mask()

    def _play(self, actions: ArrayLike, where: Bools | None) -> tuple[Floats, Bools | None]:
        market = self.market
        rewards, stage = market.offer(actions, where), market.common_stage
        if stage == _OFFERING:
            return rewards, None
        closing = None if stage == _VISITED else market.visited
        if closing is not None and not closing.any():
            return rewards, None
        rewards += market.end_round(closing)
        over = None if market.common_stage == _BETWEEN else self._ended(closing)
        going_on = closing
        if over is not None:
            going_on = ~over if closing is None else closing & ~over
        if going_on is None or going_on.any():
            open_round(market, self._team.at(going_on), where=going_on)
        return rewards, over

    def _begin(self, rows: Iterable[int], where: Bools | None) -> None:
        super()._begin(rows, where)
        open_round(self.market, self._team.at(where), where=where)

    def _observe(self) -> Observations:
        return self.market.holder_observation()


class RoundBudgetVectorEnv(DiscreteVectorMarketEnv):
    """`RoundBudgetEnv` for many markets."""

    other_level: ClassVar[Level] = "holder"

    def __init__(
        self,
        num_envs: int = 1,
        holder_policy: str | Policy = "uniform",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        reveal: bool = False,
        **options: Any,
    ) -> None:
        """Make the environment.

        Args:
            num_envs: number of markets, at least 1.
            holder_policy: name or object of the policy at the holder level.
            autoreset_mode: when a market whose episode is over begins the next.
            reveal: whether infos tell the hidden expectations.
            **options: options of `MarketConfig`.

        Raises:
            OptionError: an option is unknown or impossible.
            PackError: the pack is unknown or damaged.
            PolicyError: the policy is unknown or of the wrong level.
        """
        config = MarketConfig.from_options(**options)
        super().__init__(num_envs, config, ROUND_FEATURES, holder_policy, autoreset_mode, reveal)

    def action_masks(self) -> Bools:
        """Return the legal actions, bool (n, 11), True where legal."""
        return self.market.round_mask()

    def _play(self, actions: ArrayLike, where: Bools | None) -> tuple[Floats, Bools | None]:
        market, choices = self.market, np.asarray(actions)
        if choices.shape != (self.num_envs,) or choices.dtype.kind not in "iu":
            raise InvalidAction(f"{actions!r} is not in {self.action_space}")
        if where is not None:
            choices = np.where(where, choices, 0)
        if choices.min() < 0 or choices.max() >= len(SHARES):
            raise InvalidAction(f"{actions!r} is not in {self.action_space}")
        shares = SHARES[choices]
        market.begin_round(shares, self._team.order, where)
        rewards = finish_round(market, self._team.at(where), where)
        return rewards, self._ended(where)

    def _observe(self) -> Observations:
        return self.market.round_observation()


class JointAllocationVectorEnv(VectorMarketEnv):
    """`JointAllocationEnv` for many markets."""

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        reveal: bool = False,
        **options: Any,
    ) -> None:
        """Make the environment.

        Args:
            num_envs: number of markets, at least 1.
            autoreset_mode: when a market whose episode is over begins the next.
            reveal: whether infos tell the hidden expectations.
            **options: options of `MarketConfig`.

        Raises:
            OptionError: an option is unknown or impossible.
            PackError: the pack is unknown or damaged.
        """
        config = MarketConfig.from_options(**options)
        holders = make_tables(config).holders
        features = joint_features(holders, config.visible_expectations)
        space = Box(-1.0, 1.0, (1 + holders,), np.float32)
        super().__init__(num_envs, config, features, space, autoreset_mode, reveal)

    def _play(self, actions: ArrayLike, where: Bools | None) -> tuple[Floats, Bools | None]:
        return joint_round(self.market, actions, where), self._ended(where)

    def _observe(self) -> Observations:
        return self.market.joint_observation()
