"""Entry points of the vector environments: which kernel plays how many markets."""

from __future__ import annotations

from typing import Any

from gymnasium.vector import AutoresetMode

from copyright_gym.envs.allocation import HolderAllocationEnv
from copyright_gym.envs.joint import JointAllocationEnv
from copyright_gym.envs.round_budget import RoundBudgetEnv
from copyright_gym.envs.vector import (
    HolderAllocationVectorEnv,
    JointAllocationVectorEnv,
    RoundBudgetVectorEnv,
)
from copyright_gym.envs.vector_base import VectorMarketEnv
from copyright_gym.envs.vector_one import OneDiscreteMarketVectorEnv, OneMarketVectorEnv
from copyright_gym.envs.vector_options import check_width

Mode = str | AutoresetMode
AnyVectorEnv = VectorMarketEnv | OneMarketVectorEnv

_DEFAULT = AutoresetMode.NEXT_STEP


def holder_allocation(
    num_envs: int = 1, autoreset_mode: Mode = _DEFAULT, **options: Any
) -> AnyVectorEnv:
    """Make `HolderAllocationEnv` for some markets; see `HolderAllocationVectorEnv`."""
    check_width(num_envs)
    if num_envs == 1:
        return OneDiscreteMarketVectorEnv(HolderAllocationEnv(**options), autoreset_mode)
    return HolderAllocationVectorEnv(num_envs, autoreset_mode=autoreset_mode, **options)


def round_budget(
    num_envs: int = 1, autoreset_mode: Mode = _DEFAULT, **options: Any
) -> AnyVectorEnv:
    """Make `RoundBudgetEnv` for some markets; see `RoundBudgetVectorEnv`."""
    check_width(num_envs)
    if num_envs == 1:
        return OneDiscreteMarketVectorEnv(RoundBudgetEnv(**options), autoreset_mode)
    return RoundBudgetVectorEnv(num_envs, autoreset_mode=autoreset_mode, **options)


def joint_allocation(
    num_envs: int = 1, autoreset_mode: Mode = _DEFAULT, **options: Any
) -> AnyVectorEnv:
    """Make `JointAllocationEnv` for some markets; see `JointAllocationVectorEnv`."""
    check_width(num_envs)
    if num_envs == 1:
        return OneMarketVectorEnv(JointAllocationEnv(**options), autoreset_mode)
    return JointAllocationVectorEnv(num_envs, autoreset_mode=autoreset_mode, **options)
