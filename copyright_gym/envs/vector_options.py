"""The arguments that all vector environments take, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from copyright_gym.errors import OptionError


def check_width(num_envs: int) -> None:
    """Check the number of markets.

    Args:
        num_envs: should be a positive integer.

    Raises:
        OptionError: it is something else.
    """
    if not isinstance(num_envs, int) or isinstance(num_envs, bool) or num_envs < 1:
        raise OptionError(f"num_envs must be a positive integer, not {num_envs!r}")


def as_autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Return an autoreset mode given as such or by its value.

    Args:
        mode: the mode.

    Returns:
        The mode.

    Raises:
        OptionError: there is no such mode.
    """
    try:
        return AutoresetMode(mode)
    except ValueError as error:
        known = ", ".join(each.value for each in AutoresetMode)
        raise OptionError(f"unknown autoreset_mode {mode!r}; known: {known}") from error


def as_seeds(seed: int | Sequence[int | None] | None, n: int) -> Sequence[int | None]:
    """Return a seed per market; see `VectorMarketEnv.reset`.

    Args:
        seed: the argument of `reset`.
        n: number of markets.

    Returns:
        n seeds.

    Raises:
        ValueError: the number of seeds is another one.
    """
    seeds = [seed + i for i in range(n)] if isinstance(seed, int) else seed or [None] * n
    if len(seeds) != n:
        raise ValueError(f"{n} markets need as many seeds, not {len(seeds)}")
    return seeds


def reset_mask(options: dict[str, Any] | None, n: int) -> NDArray[np.bool_] | None:
    """Return which markets to reset.

    Args:
        options: the argument of `reset`.
        n: number of markets.

    Returns:
        bool (n,), the markets; None for all.

    Raises:
        ValueError: the mask has another shape, or names no market.
        TypeError: the mask is no array of bools.
    """
    if options is None or "reset_mask" not in options:
        return None
    mask = options["reset_mask"]
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(f"reset_mask must be an array of bools, not {mask!r}")
    if mask.shape != (n,) or not mask.any():
        raise ValueError(f"reset_mask must have shape ({n},) and a True value, not {mask!r}")
    return mask
