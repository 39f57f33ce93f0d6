"""Which kernel plays a single market."""

from __future__ import annotations

from copyright_gym import compiled
from copyright_gym.config import MarketConfig
from copyright_gym.market import Market
from copyright_gym.quality import QualityModel
from copyright_gym.single import SingleMarket


def make_single(config: MarketConfig, quality_model: QualityModel | None = None) -> SingleMarket:
    """Make a market of one, a compiled one where that is possible.

    Args:
        config: the options.
        quality_model: replaces the one that `config.quality` names.

    Returns:
        The market; it must be reset before use.

    Raises:
        PackError: the pack is unknown or damaged.
        OptionError: an option exceeds what the pack has.
    """
    if compiled.kernel:
        market = Market(config, 1, quality_model)
        if market.kernel:
            from copyright_gym import _single

            return _single.SingleMarket(market)
    return SingleMarket(config, quality_model)
