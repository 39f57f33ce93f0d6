"""Gradient ascent on a relaxed episode.

Each lot to come gets a continuous markup. A lot is bought to the part that its holder accepts the
markup probably, given all earlier answers; the surrogate is evaluated at these parts, and the
expected payments may not exceed the money. Projected gradient ascent (Adam) from several spending
levels; the plan is made anew at every round, whose offers are rounded to the grid.

Source: the multilinear relaxation of submodular maximisation (Calinescu et al. 2011), in the mean
field form; our reconstruction.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.agents.ledger import Bools, Floats, Observation, below
from copyright_gym.agents.relaxed_surrogate import RelaxedSurrogate
from copyright_gym.config import MarketConfig
from copyright_gym.features import MARKUPS, SHARES, joint_features
from copyright_gym.policies import Level
from copyright_gym.rollout import encode_joint
from copyright_gym.tables import Tables, make_tables

_DENSITY = 1 / math.sqrt(2 * math.pi)


class GradientJoint:
    """Plans markups for all lots to come and plays those of the round.

    Args:
        config: options of the markets.
        steps: gradient steps per plan.
        rate: size of a step, in logarithms of the markup.
    """

    level: Level = "joint"
    order: str | None = None
    needs_prices: ClassVar[bool] = True

    def __init__(self, config: MarketConfig, steps: int = 150, rate: float = 0.05) -> None:
        self.config, self.steps, self.rate = config, steps, rate
        self._tables: Tables = make_tables(config)
        self._surrogate = RelaxedSurrogate(self._tables.pack, self._tables.holders)
        self._sigma = max(config.sigma, 0.01)
        names = joint_features(self._tables.holders, config.visible_expectations)
        self._columns = {
            name: [names.index(f"{name}:{i}") for i in range(self._tables.holders)]
            for name in ("bought", "refused", "accepted")
        }
        self._leftover, self._round = names.index("leftover"), names.index("round")

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes."""
        tables = self._tables
        self._bought: Bools = np.zeros((n, tables.rounds, tables.holders), np.bool_)

    def act(self, observation: Observation, mask: Bools) -> NDArray[np.float32]:
        """Plan, and offer what the plan says for this round."""
        tables = self._tables
        seen = observation.astype(np.float64)
        rounds = tables.rounds
        # Markets whose episode is over lag behind; what is planned for them does not matter.
        t = int(min(np.rint(seen[:, self._round].max() * rounds), rounds - 1))
        if t > 0:  # the last round's purchases show in the number of lots bought
            count = np.rint(seen[:, self._columns["bought"]] * rounds)
            self._bought[:, t - 1] = count > self._bought[:, : t - 1].sum(axis=1)
        refused = 2 * seen[:, self._columns["refused"]]
        accepted = 2 * seen[:, self._columns["accepted"]]
        accepted[accepted > MARKUPS[-1] * (1 - 1e-6)] = np.inf
        money = seen[:, self._leftover] * tables.budget
        markup = self._plan(t, refused, accepted, money)
        now = markup.reshape(len(markup), rounds, -1)[:, t]
        # Half a step of the grid either way: to the nearest markup in logarithms.
        middle = np.sqrt(MARKUPS[1:-1] * MARKUPS[2:])
        offers = np.where(now > 0.45, 1 + np.searchsorted(middle, now), 0)
        needed = (MARKUPS[offers] * tables.base[t]).sum(axis=1)
        share = np.searchsorted(SHARES, np.minimum(needed / np.maximum(money, 1e-9), 1.0))
        return encode_joint(share, offers)

    def _plan(self, t: int, refused: Floats, accepted: Floats, money: Floats) -> Floats:
        """Return the markups of all lots, float64 (n, M), 0 for no offer."""
        tables, rounds = self._tables, self._tables.rounds
        ahead = np.repeat(np.arange(rounds) >= t, tables.holders)
        low, high = (np.tile(limit, (1, rounds)) for limit in (refused, accepted))
        bought, base = self._bought.reshape(len(money), -1), tables.base.ravel()
        start = np.where(np.isfinite(high), high, 1.15 * np.maximum(low, 0.9))
        best, record = np.zeros_like(start), np.full(len(money), -np.inf)
        for level in (0.7, 1.0):
            x = np.log(start * level)
            first, second = np.zeros_like(x), np.zeros_like(x)
            for step in range(1, self.steps + 1):
                part, slope = self._parts(x, low, high)
                part, slope = part * ahead, slope * ahead
                quality, slopes = self._surrogate.quality_and_slopes(
                    (bought + part).reshape(-1, *tables.base.shape)
                )
                gain = slopes.reshape(part.shape)
                price = np.exp(x) * base
                spent = (price * part).sum(axis=1)
                over = np.maximum(spent / np.maximum(money, 1e-9) - 1, 0)[:, None]
                # A penalty whose slope is the best ratio at hand when 2 % are overspent.
                weight = 50 * over * (gain / base).max(axis=1, keepdims=True)
                gradient = gain * slope - weight * price * (part + slope)
                better = (spent <= money * 1.01) & (quality > record)
                record = np.where(better, quality, record)
                best[better] = np.exp(x[better])
                first = 0.9 * first + 0.1 * gradient
                second = 0.99 * second + 0.01 * gradient**2
                scale = np.sqrt(second / (1 - 0.99**step)) + 1e-8
                x += self.rate * first / (1 - 0.9**step) / scale
                x = np.clip(x, math.log(0.3), math.log(MARKUPS[-1]))
        return best

    def _parts(self, x: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Return the chances of acceptance at markups exp(x), and their slopes in x."""
        floor, mass = below(low, self._sigma), below(high, self._sigma)
        mass = np.maximum(mass - floor, 1e-6)
        z = x / self._sigma
        part = np.clip((below(np.exp(x), self._sigma) - floor) / mass, 0.0, 1.0)
        slope = _DENSITY * np.exp(-0.5 * z * z) / self._sigma / mass
        return part, slope * ((np.exp(x) > low) & (np.exp(x) < high))
