"""The market kernel for one market, in plain Python numbers.

NumPy's overhead per call is far above the cost of moving a single market, so this twin repeats
the rules of `copyright_gym.market` for n = 1. Tests hold both to the same bits.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.features import MARKUPS
from copyright_gym.plain import Plan, named_plan, own_plan
from copyright_gym.quality import QualityModel, as_surrogate, make_quality, noise_of
from copyright_gym.routes import Stage, out_of_turn
from copyright_gym.tables import make_tables

# These write the features that change to the front of an observation.
_pack_holder: Callable[..., None] = struct.Struct("8f").pack_into
_pack_round: Callable[..., None] = struct.Struct("5f").pack_into
_NEW, _BETWEEN, _OFFERING, _VISITED, _DONE = Stage

_MOST = len(MARKUPS) - 1

# Masks by the number of legal actions beyond 0; int8 as infos hold them.
_MASKS: list[NDArray[np.int8]] = list(np.tri(len(MARKUPS), dtype=np.int8))


class SingleMarket:
    """One market; the attributes are for reading.

    Money is in Python floats; a lot is t * H + holder.

    Attributes:
        config: the options.
        tables: lots, base expectations and the budget B.
        holders: number of holders H.
        stage: where the market stands within its episode.
        round_index: number of finished rounds t.
        position: number of holders visited in the open round.
        factor: the holders' hidden factors, H floats. Policies must not see them.
        round_left: money left in the open round, 0 between rounds.
        round_budget: money set aside for the open round, 0 between rounds.
        outside: money left outside the open round.
        accepted: offers accepted in the open round, or else in the last.
        quality: quality of the company's model so far.
        round_budgets: money set aside for each round so far, T floats.
        round_leftovers: money left after each round so far, a float for each.
        round_qualities: quality after each round so far, likewise.
        offers: prices offered per lot, 0 where none.
        bought: per lot, whether it was bought.
    """

    def __init__(self, config: MarketConfig, quality_model: QualityModel | None = None) -> None:
        """Make a market; it must be reset before use.

        Args:
            config: the options.
            quality_model: replaces the one that `config.quality` names.

        Raises:
            PackError: the pack is unknown or damaged.
            OptionError: an option exceeds what the pack has.
        """
        self.config = config
        self.tables = make_tables(config)
        self.quality_model = quality_model or make_quality(config.quality, self.tables.pack)
        surrogate = as_surrogate(self.quality_model)
        self._history = surrogate.history() if surrogate else None
        self._noise = noise_of(self.quality_model).tolist() if config.noise else []
        self._plain = self.tables.plain
        self.holders = self.tables.holders
        self._orders = self.tables.orders["index"]
        self._plan: Plan = []
        self.stage = Stage.NEW
        self._clear()

    def reset(self, generator: np.random.Generator) -> None:
        """Start a new episode.

        Args:
            generator: what the market draws from, as a market of the batched kernel does.
        """
        rounds = self.tables.rounds if self._noise else 0
        normals = generator.standard_normal(self.holders + rounds)
        self.factor = np.exp(self.config.sigma * normals[: self.holders]).tolist()
        self._shocks = normals[self.holders :].tolist()
        if self.config.order == "random":
            self._orders = generator.permuted(self.tables.orders["index"], axis=1)
        self._clear()
        self.stage = _BETWEEN

    def _clear(self) -> None:
        rounds, holders = self.tables.rounds, self._plain.holders
        self.round_index = self.position = self.accepted = 0
        self.outside, self.round_left, self.round_budget = self._plain.budget, 0.0, 0.0
        self._parts = 0.0, self.outside * self._plain.per_budget
        self.quality = self.last_change = self.last_spent = 0.0
        self.round_budgets = [0.0] * rounds
        self.round_leftovers: list[float] = []
        self.round_qualities: list[float] = []
        self.offers, self.bought = [0.0] * (rounds * holders), [False] * (rounds * holders)
        self._counts, self._refused, self._taken = [0] * holders, [0.0] * holders, [1.0] * holders
        if self._history:
            self._history.clear()

    @property
    def due(self) -> bool:
        """Whether a holder waits for an offer."""
        return self.stage is _OFFERING

    @property
    def due_holder(self) -> int:
        """The holder who waits for an offer."""
        return self._plan[self.position].holder

    @property
    def running(self) -> bool:
        """Whether an episode has begun and is not over."""
        return self.stage is not _DONE and self.stage is not _NEW

    @property
    def expectations(self) -> NDArray[np.float64]:
        """The least that holders accept, float64 (T, H). Policies must not see it."""
        return np.asarray(self.tables.base * self.factor)

    @property
    def leftover(self) -> float:
        """Money left in all."""
        return self.outside + self.round_left

    def begin_round(self, share: float, order: str | None = None) -> None:
        """Set money aside for a round; see `Market.begin_round`."""
        if self.stage is not _BETWEEN:
            raise self._out_of_turn("begin_round")
        t, plain = self.round_index, self._plain
        if order is None and self.config.order == "random":
            self._plan = own_plan(self.tables, self._orders, t)
        else:
            name = order or self.config.order
            self._plan = plain.plans.get((name, t)) or named_plan(self.tables, name, t)
        leftover = self.outside
        budget = share * leftover
        self.round_left = self.round_budget = self.round_budgets[t] = budget
        self.outside = leftover - budget
        self.position = self.accepted = 0
        self._quality_before = self.quality
        self._parts = budget * plain.per_budget, self.outside * plain.per_budget
        self.stage = _OFFERING
        if self._history:
            self._history.begin_round(t)

    def offer(self, action: int) -> float:
        """Make the holder who is due an offer; see `Market.offer`.

        Args:
            action: integer in [0, 11).

        Returns:
            The reward.
        """
        if self.stage is not _OFFERING:
            raise self._out_of_turn("offer")
        position = self.position
        lot, holder, prices, _, lowest, _ = self._plan[position]
        price, reward = prices[action], 0.0
        if price > self.round_left:
            price = self.round_left
        self.offers[lot] = price
        if price >= self.factor[holder] * lowest:
            plain = self._plain
            self.bought[lot] = True
            self.round_left -= price
            self.accepted, self._counts[holder] = self.accepted + 1, self._counts[holder] + 1
            half = price / (2.0 * lowest)
            if half < self._taken[holder]:
                self._taken[holder] = half
            if self._history:
                quality = self._history.buy(self.round_index, holder)
                reward = quality - self.quality
                self.quality = quality
            if plain.kappa:
                reward -= plain.kappa * price / plain.budget
            if plain.copyright_weight:
                reward -= plain.copyright_weight * plain.exposure[lot]
        elif price:
            half = price / (2.0 * lowest)
            if half > self._refused[holder]:
                self._refused[holder] = half
        self.position = position = position + 1
        if position == self.holders:
            self.stage = _VISITED
        return reward

    def end_round(self) -> float:
        """Close a round whose holders were all visited; see `Market.end_round`."""
        if self.stage is not _VISITED:
            raise self._out_of_turn("end_round")
        reward = 0.0
        if self.accepted and (self._noise or not self._history):
            quality = self._measured()
            reward, self.quality = quality - self.quality, quality
        budget, left = self.round_budget, self.round_left
        self.last_change = self.quality - self._quality_before
        self.last_spent = (budget - left) / budget if budget > 0 else 0.0
        self.outside += left
        self.round_left = self.round_budget = 0.0
        self._parts = 0.0, self.outside * self._plain.per_budget
        self.round_leftovers.append(self.outside)
        self.round_qualities.append(self.quality)
        self.round_index += 1
        self.position = 0
        over = self.round_index == self.tables.rounds or self.outside <= 1e-9 * self._plain.budget
        self.stage = _DONE if over else _BETWEEN
        return reward

    def _measured(self) -> float:
        """Return the quality after the round; see `Market.measure`."""
        quality = self.quality
        if not self._history:
            history = np.reshape(self.bought, (1, *self.tables.base.shape))
            quality = float(self.quality_model.quality(history)[0])
        if self._noise:
            quality += self._noise[sum(self._counts)] * self._shocks[self.round_index]
        return min(quality, 1.0)

    def round_observation(self) -> NDArray[np.float32]:
        """Observe at the round level, float32 (10,); see `observations.observe_round`."""
        plain = self._plain
        observation: NDArray[np.float32] = plain.round_rows[self.round_index].copy()
        leftover, quality, change = self.outside + self.round_left, self.quality, self.last_change
        qualities = quality if quality > -1.0 else -1.0, change if change > -1.0 else -1.0
        accepted = self.accepted * plain.per_holder
        _pack_round(
            observation, 0, leftover * plain.per_budget, *qualities, self.last_spent, accepted
        )
        return observation

    def holder_observation(self) -> NDArray[np.float32]:
        """Observe at the holder level, float32 (19,); see `observations.observe_holder`."""
        plain, quality = self._plain, self.quality
        observation: NDArray[np.float32]
        if self.stage is _OFFERING:
            _, holder, _, _, _, known = self._plan[self.position]
            observation = known.copy()
            bought, refused = self._counts[holder] / plain.rounds, self._refused[holder]
            taken = self._taken[holder]
            if plain.visible:
                observation[-1] = min(self.factor[holder] / 4, 1.0)
        else:
            observation = plain.pauses[self.round_index].copy()
            bought = refused = taken = 0.0
        money = self.round_left * plain.per_budget, *self._parts
        accepted = self.accepted * plain.per_holder
        quality = quality if quality > -1.0 else -1.0
        _pack_holder(observation, 0, *money, accepted, quality, bought, refused, taken)
        return observation

    def joint_observation(self) -> NDArray[np.float32]:
        """Observe at the joint level, float32 (10 + 6 H,); see `observations.observe_joint`."""
        lots = self.tables.lots[self.round_index]
        columns = [lots[:, 0], lots[:, 1], lots[:, 3]]
        columns += [np.array(self._counts, np.float32) / self.tables.rounds]
        columns += [np.array(part, np.float32) for part in (self._refused, self._taken)]
        if self._plain.visible:
            columns.append(np.array(self.factor) / 4)
        seen = np.minimum(np.stack(columns, axis=1), 1).astype(np.float32)
        return np.concatenate([self.round_observation(), seen.ravel()])

    def round_mask(self) -> NDArray[np.int8]:
        """Return the legal actions of the round level, int8 (11,), 1 where legal."""
        mask: NDArray[np.int8] = _MASKS[-1 if self.running and self.leftover > 0 else 0].copy()
        return mask

    def holder_mask(self) -> NDArray[np.int8]:
        """Return the legal actions of the holder level, int8 (11,), 1 where legal."""
        beyond_none = 0
        if self.stage is _OFFERING:
            limits = self._plan[self.position].limits
            beyond_none = bisect_left(limits, self.round_left, 0, _MOST)
        mask: NDArray[np.int8] = _MASKS[beyond_none].copy()
        return mask

    def _out_of_turn(self, method: str) -> Exception:
        visited = f"{self.position} of {self.holders}"
        return out_of_turn(method, "the market", self.stage, visited)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_plain"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._plain = self.tables.plain
