"""The fixed numbers of a market: what its lots are worth and cost, and the budget."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.features import MARKUPS, ROUND_FEATURES
from copyright_gym.pack import Pack, load_pack
from copyright_gym.plain import Plain, make_plain
from copyright_gym.routes import Routes, make_routes

Floats = NDArray[np.float64]

FIRST_KNOWN_OF_ROUND = ROUND_FEATURES.index("round")
"""Features of the round level from here on depend on the number of finished rounds alone."""


@dataclass(frozen=True, eq=False)
class Tables:
    """What all markets with the same options share; arrays are read-only.

    Attributes:
        config: the options.
        pack: the pack they name.
        contribution: float64 (T, H), c with mean 1 over the lots in play.
        loss: float64 (T, H), the copyright loss l = a * semantic + b * perceptual.
        base: float64 (T, H), base expectations price * (alpha * c + beta * l / mean(l)).
        exposure: float64 (T, H), l over the sum of l; buying every lot is exposure 1.
        budget: the budget B = rho * sum(base).
        orders: visiting orders "index" and "value", each int64 (T, H).
        lots: float64 (T + 1, H, 4), the lots' features in observations: c / largest c, l,
            b / B, b / largest b; a row of zeros follows the last round.
        lowest: float64 (T, H), base expectations, but infinite for lots without a price,
            which are never sold.
        prices: float64 (T * H, 11), uncapped price of each action for each lot.
        limits: float64 (T * H + 1, 11), the money above which an action differs from all lower
            ones; infinite in the last row, which is of no lot, but for action 0.
        sheet_scale: float64 (5, 1), features over the numbers of `MarketState.sheet`.
        past_scale: float64 (5, 1), features over the numbers of `MarketState.past`.
        round_features: float32 (T + 1, 10), round observations by finished rounds; those that
            change within an episode are left at 0.
        routes: the stops of an episode.
    """

    config: MarketConfig
    pack: Pack
    contribution: Floats
    loss: Floats
    base: Floats
    exposure: Floats
    budget: float
    orders: Mapping[str, NDArray[np.int64]]
    lots: Floats
    lowest: Floats
    prices: Floats
    limits: Floats
    sheet_scale: Floats
    past_scale: Floats
    round_features: NDArray[np.float32]
    routes: Routes

    @property
    def rounds(self) -> int:
        """Number of rounds T."""
        return len(self.base)

    @property
    def holders(self) -> int:
        """Number of holders H."""
        return len(self.base[0])

    @functools.cached_property
    def plain(self) -> Plain:
        """The same numbers for the kernel of a single market."""
        return make_plain(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy shares the tables that are in memory already.
        return make_tables, (self.config,)


def make_tables(config: MarketConfig) -> Tables:
    """Return the tables for some options; equal options share one copy.

    Args:
        config: the options.

    Returns:
        The tables.

    Raises:
        PackError: the pack is unknown or damaged.
        OptionError: `rounds` or `holders` exceeds the pack's, or no lot has a price.
    """
    return _make_once(config, load_pack(config.pack))


@functools.lru_cache(maxsize=64)
def _make_once(config: MarketConfig, pack: Pack) -> Tables:
    limits = {"rounds": pack.rounds, "holders": len(pack.holders)}
    for name, limit in limits.items():
        value = getattr(config, name)
        if value is not None and value > limit:
            raise OptionError(f"{name} is {value}, but the pack {pack.name!r} has {limit} {name}")
    used = (slice(config.rounds), slice(config.holders))
    contribution = _relative(pack.contribution[used])
    loss = config.a * pack.semantic[used] + config.b * pack.perceptual[used]
    base = config.price * (config.alpha * contribution + config.beta * _relative(loss))
    budget = config.rho * float(base.sum())
    if budget <= 0:
        raise OptionError("alpha and beta give no lot of the pack a price above 0")
    worth = np.divide(contribution, base, out=np.zeros_like(base), where=base > 0)
    orders = {
        "index": np.broadcast_to(np.arange(base.shape[1]), base.shape),
        "value": np.argsort(-worth, axis=1, kind="stable"),
    }
    exposure = _relative(loss) / loss.size
    lots = np.zeros((len(base) + 1, base.shape[1], 4))
    largest = max(float(contribution.max()), 1e-300)
    for column, values in enumerate(
        (contribution / largest, loss, base / budget, base / base.max())
    ):
        lots[:-1, :, column] = values
    lowest = np.where(base > 0, base, np.inf)
    prices = base.reshape(-1, 1) * MARKUPS
    # The index -1, of no lot, is the last row.
    bounds = np.full((base.size + 1, len(MARKUPS)), np.inf)
    bounds[:-1, 1:] = np.where(base.reshape(-1, 1) > 0, prices[:, :-1], np.inf)
    bounds[:, 0] = -np.inf
    round_features = _round_features(lots)
    routes = make_routes(lots, orders)
    sheet_scale = 1 / np.array([[budget], [budget], [budget], [base.shape[1]], [1]])
    past_scale = 1 / np.array([[budget], [1], [1], [1], [base.shape[1]]])
    arrays = (contribution, loss, base, exposure, lots, lowest, prices, bounds)
    for array in (*arrays, sheet_scale, past_scale, round_features, *orders.values()):
        array.flags.writeable = False
    return Tables(
        config=config,
        pack=pack,
        contribution=contribution,
        loss=loss,
        base=base,
        exposure=exposure,
        budget=budget,
        orders=orders,
        lots=lots,
        lowest=lowest,
        prices=prices,
        limits=bounds,
        sheet_scale=sheet_scale,
        past_scale=past_scale,
        round_features=round_features,
        routes=routes,
    )


def _round_features(lots: Floats) -> NDArray[np.float32]:
    rounds, holders = len(lots) - 1, lots.shape[1]
    t = np.arange(rounds + 1)
    values = np.zeros((rounds + 1, len(ROUND_FEATURES)))
    values[:, FIRST_KNOWN_OF_ROUND] = t / rounds
    values[:, FIRST_KNOWN_OF_ROUND + 1 : -1] = lots[:, :, :3].mean(axis=1) * (1, 1, holders)
    values[:-1, -1] = 1.0 / (rounds - t[:-1])
    return np.minimum(values, 1.0).astype(np.float32)


def _relative(values: Floats) -> Floats:
    """Return values over their mean; zeros stay zeros."""
    mean = float(values.mean())
    return values / mean if mean > 0 else np.zeros_like(values)
