"""A policy as a plain function; `pyproject.toml` announces it by an entry point."""

import numpy as np
from numpy.typing import NDArray

from copyright_gym.policies import function_policy


@function_policy("holder")
def generous(observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Offer the highest legal markup."""
    return np.where(mask, np.arange(mask.shape[1]), 0).max(axis=1)
