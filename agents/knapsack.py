"""Greedy knapsack: buy what adds most quality per expected cost, at one fixed markup.

Source: the greedy rule for budgeted submodular maximisation (Khuller, Moss and Naor 1999;
Sviridenko 2004), here from the full set downwards and with the pack's surrogate as the value.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from copyright_gym.agents.ledger import Bools, Ints, Ledger, Observation
from copyright_gym.agents.lot_values import LotValues
from copyright_gym.config import MarketConfig
from copyright_gym.heuristics import highest_legal
from copyright_gym.observations import MARKUPS
from copyright_gym.policies import Level


class KnapsackHolder:
    """Plans all lots to come before each offer; it paces itself, so give it all the money.

    Args:
        config: options of the markets.
        markup: what it offers, as a multiple of the base expectation; rounded up to the grid.
    """

    level: Level = "holder"
    order: str | None = None
    needs_prices: ClassVar[bool] = True

    def __init__(self, config: MarketConfig, markup: float = 1.4) -> None:
        self.markup = markup
        self._action = min(int(np.searchsorted(MARKUPS, markup)), len(MARKUPS) - 1)
        self._ledger = Ledger(config)
        self._values = LotValues(config)

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes."""
        self._ledger.reset(n)

    def act(self, observation: Observation, mask: Bools) -> Ints:
        """Offer the markup if the lot is in the plan."""
        books = self._ledger
        books.read(observation)
        cost = np.broadcast_to(
            MARKUPS[self._action] * self._values.base, (len(mask), self._values.base.size)
        )
        plan = self._values.plan(books.flat(books.bought), books.open(), cost, books.money)
        wanted = np.where(plan[books.rows, books.lot], self._action, 0)
        return books.write(highest_legal(mask, wanted))
