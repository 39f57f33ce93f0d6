"""Pay in proportion to a score: each holder left gets its share of what is left in the round.

Four scores that the literature on paying for data proposes: TRAK attribution (Park et al. 2023,
arXiv:2303.14186), copyright loss (arXiv:2410.20180), leave-one-out (Cook 1977) and Shapley values
(Ghorbani and Zou 2019, arXiv:1904.02868). As posted prices: our reconstruction.
"""

from __future__ import annotations

import numpy as np

from copyright_gym.agents.ledger import Bools, Floats, Ints, Ledger, Observation
from copyright_gym.agents.round_games import leave_one_out, shapley_values
from copyright_gym.config import MarketConfig
from copyright_gym.heuristics import highest_legal
from copyright_gym.observations import MARKUPS
from copyright_gym.policies import Level
from copyright_gym.tables import make_tables

# Observations are float32: a quotient that should reach a grid point may miss it by this.
_SLACK = 1e-6


class ProportionalHolder:
    """Offers money left * score / sum of the scores of the holders left, rounded down to a markup.

    Args:
        config: options of the markets.
        scores: float64 (T, H), at least 0.
    """

    level: Level = "holder"
    order: str | None = None

    def __init__(self, config: MarketConfig, scores: Floats) -> None:
        self.scores = scores
        self._ledger = Ledger(config)

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes."""
        self._ledger.reset(n)

    def act(self, observation: Observation, mask: Bools) -> Ints:
        """Choose the highest markup that the share pays for."""
        books = self._ledger
        books.read(observation)
        left = np.where(books.passed[books.rows, books.t], 0.0, self.scores[books.t])
        score, total = self.scores[books.t, books.holder], left.sum(axis=1)
        share = np.divide(score, total, out=np.zeros_like(score), where=total > 0)
        base = np.maximum(books.tables.base[books.t, books.holder], 1e-300)
        markup = share * books.round_left / base
        wanted = np.searchsorted(MARKUPS, markup * (1 + _SLACK), side="right") - 1
        return books.write(highest_legal(mask, wanted))


class TrakHolder(ProportionalHolder):
    """Pays in proportion to the contribution."""

    def __init__(self, config: MarketConfig) -> None:
        super().__init__(config, make_tables(config).contribution)


class CopyrightHolder(ProportionalHolder):
    """Pays in proportion to the copyright loss."""

    def __init__(self, config: MarketConfig) -> None:
        super().__init__(config, make_tables(config).loss)


class ShapleyHolder(ProportionalHolder):
    """Pays in proportion to the Shapley value in the round's game; negative values count as 0."""

    def __init__(self, config: MarketConfig) -> None:
        super().__init__(config, np.maximum(shapley_values(config), 0.0))


class LeaveOneOutHolder(ProportionalHolder):
    """Pays in proportion to what the round loses without the lot; gains count as 0."""

    def __init__(self, config: MarketConfig) -> None:
        super().__init__(config, np.maximum(leave_one_out(config), 0.0))
