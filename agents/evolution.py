"""CMA-ES: evolve the weights of a linear policy on training markets.

The markup is a linear function of the observation, with a term of its own for each holder; a low
one is no offer. All candidates of a generation meet the same fresh markets.

Source: Hansen 2016, arXiv:1604.00772, by the library `cmaes`; the policy is our construction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.heuristics import highest_legal
from copyright_gym.market import Market
from copyright_gym.observations import HOLDER_FEATURES, MARKUPS
from copyright_gym.policies import Level
from copyright_gym.rollout import finish_round

_MARKETS = 16
_SIGMA = 2.0
_HOLDER = HOLDER_FEATURES.index("holder")
# The untrained policy offers about the base expectation.
_START = 6.0


class LinearHolder:
    """Offers the markup that a linear function gives; it paces itself, so give it all the money.

    Args:
        weights: one per feature of the holder level, then one per holder.
        settings: those of the training, JSON values.

    Attributes:
        holders: number of holders that it must play with.
    """

    level: Level = "holder"
    order: str | None = None
    stateless: ClassVar[bool] = True

    def __init__(
        self,
        weights: Sequence[float] | NDArray[np.float64],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings = dict(settings or {})
        self.weights = np.asarray(weights, np.float64)
        self.holders = len(self.weights) - len(HOLDER_FEATURES)

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Do nothing: the policy has no state."""

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose the nearest action to the function's value."""
        common, own = np.split(self.weights, [len(HOLDER_FEATURES)])
        holder = np.rint(observation[:, _HOLDER] * (len(own) - 1)).astype(np.int64)
        value = observation @ common + own[holder]
        return highest_legal(mask, np.clip(np.rint(value), 0, len(MARKUPS) - 1).astype(np.int64))

    def text(self) -> str:
        """Return weights and settings as JSON."""
        facts = {"weights": self.weights.tolist(), "settings": self.settings}
        return json.dumps(facts) + "\n"


def load_linear(path: str | Path) -> LinearHolder:
    """Read what `LinearHolder.text` gave.

    Args:
        path: the file.

    Returns:
        The policy.

    Raises:
        PolicyError: the file is missing or damaged.
    """
    try:
        facts = json.loads(Path(path).read_text())
        # Files of earlier versions have no settings.
        return LinearHolder([float(w) for w in facts["weights"]], facts.get("settings"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"{path} is no file of a linear policy: {error}") from error


def evolve(config: MarketConfig, *, seed: int, steps: int) -> LinearHolder:
    """Evolve a policy.

    Args:
        config: options of the markets.
        seed: seed of the search and of its markets, which are none of an evaluation's.
        steps: interaction budget in holder decisions.

    Returns:
        The mean of the last generation's distribution.

    Raises:
        OptionError: the budget is too small for one generation.
    """
    market = Market(config, _MARKETS)
    rounds, holders = market.tables.base.shape
    mean = np.append(np.zeros(len(HOLDER_FEATURES)), np.full(holders, _START))
    search = CMA(mean=mean, sigma=_SIGMA, seed=seed)
    settings = {
        "sigma": _SIGMA,
        "start": _START,
        "population": search.population_size,
        "markets": _MARKETS,
        "cmaes": version("cmaes"),
    }
    generation = search.population_size * _MARKETS * rounds * holders
    if steps < generation:
        raise OptionError(f"steps must be at least {generation}, one generation, not {steps}")
    for number in range(steps // generation):
        scored = []
        for _ in range(search.population_size):
            weights = search.ask()
            # Three words: no integer seed of an evaluation gives these markets.
            market.reset([np.random.default_rng([seed, number, i + 1]) for i in range(_MARKETS)])
            policy = LinearHolder(weights)
            while (running := market.running).any():
                market.begin_round(np.ones(_MARKETS), None, running)
                finish_round(market, policy, running)
            scored.append((weights, -float(market.quality.mean())))
        search.tell(scored)
    return LinearHolder(search.mean, settings)
