"""Lagrangian dual pacing: a price of money that follows the spending.

Each lot is worth its marginal quality, measured with all lots bought that are affordable at equal
shares; the offer maximises (worth - mu * price) * chance of acceptance. After every round mu moves
against the difference between the even share of the budget and what was spent.

Source: dual mirror descent for budgets (Balseiro, Lu and Mirrokni 2020, arXiv:2011.10124) and
adaptive pacing (Balseiro and Gur 2019), with multiplicative steps; our reconstruction.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from copyright_gym.agents.ledger import Bools, Floats, Ints, Ledger, Observation, acceptance
from copyright_gym.agents.lot_values import LotValues
from copyright_gym.config import MarketConfig
from copyright_gym.heuristics import highest_legal
from copyright_gym.observations import MARKUPS
from copyright_gym.policies import Level


class DualPacingHolder:
    """Offers the best markup at the present price of money; give it all the money.

    Args:
        config: options of the markets.
        rate: how strongly the price of money follows the spending.
    """

    level: Level = "holder"
    order: str | None = None
    needs_prices: ClassVar[bool] = True

    def __init__(self, config: MarketConfig, rate: float = 0.25) -> None:
        self.config, self.rate = config, rate
        self._ledger = Ledger(config)
        self._values = LotValues(config)

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes, with the price of money at the edge of a plan at base prices."""
        self._ledger.reset(n)
        values, tables = self._values, self._ledger.tables
        nothing = np.zeros((1, values.base.size), np.bool_)
        plan = values.plan(nothing, ~nothing, values.base[None], np.array([tables.budget]))
        ratio = np.where(plan, values.gains(plan, plan) / values.base, np.inf).min()
        self._mu: Floats = np.full(n, ratio if np.isfinite(ratio) else 1e-6)
        self._plan: Bools = np.repeat(plan, n, axis=0)
        self._at: Ints = np.zeros(n, np.int64)
        self._before: Floats = np.full(n, tables.budget)

    def act(self, observation: Observation, mask: Bools) -> Ints:
        """Choose the markup with the highest expected profit."""
        books, values = self._ledger, self._values
        books.read(observation)
        self._pace()
        lot, rows, holder = books.lot, books.rows, books.holder
        total = books.flat(books.bought) | (self._plan & books.open())
        due = np.zeros_like(total)
        due[rows, lot] = True
        worth = values.gains(total, due)[rows, lot]
        chance = acceptance(
            books.refused[rows, holder, None],
            books.accepted[rows, holder, None],
            MARKUPS[1:],
            self.config.sigma,
        )
        price = MARKUPS[1:] * values.base[lot][:, None]
        profit = (worth[:, None] - self._mu[:, None] * price) * chance
        best = np.where(profit.max(axis=1) > 0, 1 + profit.argmax(axis=1), 0)
        return books.write(highest_legal(mask, best))

    def _pace(self) -> None:
        """Move the price of money where a round has ended."""
        books = self._ledger
        moved = (books.t > self._at) & books.due
        even = books.tables.budget / books.tables.rounds
        excess = (self._before - books.money) / even - 1
        self._mu = np.where(moved, self._mu * np.exp(self.rate * excess), self._mu)
        self._before = np.where(moved, books.money, self._before)
        self._at = np.where(moved, books.t, self._at)
