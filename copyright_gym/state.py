"""The state of markets: their money, offers and purchases as arrays."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, listed
from copyright_gym.quality import QualityModel, make_quality
from copyright_gym.tables import Tables, make_tables

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Stage(enum.IntEnum):
    """Where a market stands within its episode."""

    NEW = 0
    BETWEEN = 1
    OFFERING = 2
    DONE = 3

    @property
    def text(self) -> str:
        """The stage in words, for error messages."""
        return ("not reset", "between rounds", "in a round", "at the end of the episode")[self]


class MarketState:
    """The state of n markets with the same options, as a struct of arrays.

    Money, payments and rewards are float64 throughout. The attributes are for reading.

    Attributes:
        config: the options.
        tables: lots, base expectations and the budget B.
        n: number of markets.
        factor: float64 (n, H), the holders' hidden factors. Policies must not see them.
        round_index: int64 (n,), number of finished rounds t.
        position: int64 (n,), number of holders visited in the open round.
        order: int64 (n, H), visiting order of the open round.
        leftover: float64 (n,), money left in all.
        round_budgets: float64 (n, T), money set aside for each round so far.
        round_budget: float64 (n,), money set aside for the open round, 0 between rounds.
        round_left: float64 (n,), what is left of it.
        offers: float64 (n, T, H), prices offered, 0 where none.
        payments: float64 (n, T, H), prices paid.
        bought: bool (n, T, H), lots bought.
        quality: float64 (n,), quality of the company's model so far.
        accepted: int64 (n,), offers accepted in the open round.
        highest_refused: float64 (n, H), highest refused offer per base expectation, 0 if none.
        lowest_accepted: float64 (n, H), lowest accepted offer per base expectation, 2 if none.
        last_change: float64 (n,), change of quality in the last round.
        last_spent: float64 (n,), part of the last round's budget that was spent.
        last_acceptance: float64 (n,), accepted offers of the last round / H.
    """

    def __init__(
        self, config: MarketConfig, n: int = 1, quality_model: QualityModel | None = None
    ) -> None:
        """Make n markets; they must be reset before use.

        Args:
            config: the options.
            n: number of markets.
            quality_model: replaces the one that `config.quality` names.

        Raises:
            PackError: the pack is unknown or damaged.
            OptionError: an option exceeds what the pack has.
        """
        self.config = config
        self.tables: Tables = make_tables(config)
        self.n = n
        self.quality_model = quality_model or make_quality(config.quality, self.tables.pack)
        rounds, holders = self.tables.base.shape
        self.factor = np.ones((n, holders))
        self.rest = np.zeros((n, holders, 3))
        self.order = np.zeros((n, holders), np.int64)
        self.round_index, self.position, self.accepted = np.zeros((3, n), np.int64)
        self.leftover, self.round_budget, self.round_left, self.quality = np.zeros((4, n))
        self.last_change, self.last_spent, self.last_acceptance = np.zeros((3, n))
        self.round_budgets = np.zeros((n, rounds))
        self.offers, self.payments = np.zeros((2, n, rounds, holders))
        self.bought = np.zeros((n, rounds, holders), np.bool_)
        self.highest_refused = np.zeros((n, holders))
        self.lowest_accepted = np.full((n, holders), 2.0)
        self._quality_before = np.zeros(n)
        self._stage = np.full(n, Stage.NEW, np.int8)
        self._orders = np.zeros((n, rounds, holders), np.int64)

    @property
    def budget(self) -> float:
        """The budget B of a whole episode."""
        return self.tables.budget

    @property
    def expectations(self) -> Floats:
        """The least that holders accept, float64 (n, T, H). Policies must not see it."""
        return self.tables.base * self.factor[:, None]

    @property
    def running(self) -> Bools:
        """Which markets are within an episode, bool (n,)."""
        return np.asarray((self._stage == Stage.BETWEEN) | (self._stage == Stage.OFFERING))

    @property
    def due(self) -> Bools:
        """Which markets wait for an offer, bool (n,)."""
        return np.asarray((self._stage == Stage.OFFERING) & (self.position < self.tables.holders))

    def due_holder(self, rows: Ints) -> Ints:
        """Return the holders who are due in some markets.

        Args:
            rows: int64 (k,), indices of markets that wait for an offer.

        Returns:
            int64 (k,), holder indices.
        """
        return np.asarray(self.order[rows, self.position[rows]])

    def visiting_order(self, name: str | None) -> Ints | None:
        """Return a visiting order for each market's coming round.

        Args:
            name: "index", "value", or None.

        Returns:
            int64 (n, H) for `begin_round`; None for None.

        Raises:
            OptionError: the name is unknown.
        """
        if name is None:
            return None
        if name not in self.tables.orders:
            known = listed(self.tables.orders)
            raise OptionError(f"unknown order {name!r} of a policy; known: {known}")
        return self.tables.orders[name][np.minimum(self.round_index, self.tables.rounds - 1)]
