"""Which markets evaluations play: the same for all policies, and none that a training meets."""

from __future__ import annotations

from copyright_gym.errors import OptionError

_SPACING = 1_000_000
_LAST_SEED = 4000
LAST_TRAINING_SEED = 800_000
"""Flat learners draw their first markets from seed, seed + 1, ...: below all other markets'."""


def evaluation_seeds(seed: int, episodes: int) -> range:
    """Return the seeds of evaluation markets.

    They are disjoint for different values of `seed`, and from all that a training meets. The
    method, the baselines and CMA-ES seed their generators by two or three words, an evaluation
    market's is seeded by one. Flat learners seed their 16 environments by one word each, the
    training's seed and the next ones; these are at most `LAST_TRAINING_SEED` + 15.

    Args:
        seed: seed of the evaluation, from 0 to 4000.
        episodes: number of markets, from 1 to 1,000,000.

    Returns:
        One seed per market.

    Raises:
        OptionError: an argument is out of range.
    """
    if not 0 <= seed <= _LAST_SEED:
        raise OptionError(f"the evaluation seed must lie in 0 to {_LAST_SEED}, not {seed}")
    if not 1 <= episodes <= _SPACING:
        raise OptionError(f"episodes must lie in 1 to {_SPACING}, not {episodes}")
    return range((seed + 1) * _SPACING, (seed + 1) * _SPACING + episodes)
