"""Both decisions at once: a round's budget and all of its offers."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.envs.base import MarketEnv, Observation, Step
from copyright_gym.features import joint_features
from copyright_gym.rollout import joint_actions
from copyright_gym.tables import make_tables


class JointAllocationEnv(MarketEnv[NDArray[np.float32]]):
    """Choose a round's share and the offers to all holders in one step.

    ## Description
    The market of `HolderAllocationEnv` without a hierarchy, for algorithms with continuous
    actions. Offers are fixed before the round begins, so they cannot react to its answers.

    ## Action Space
    `Box(-1, 1, (1 + H,), float32)`. Each entry is mapped to x = (entry + 1) / 2. The first one
    is the round's share of the money left, rint(10 x) / 10. The others are the offers by
    holder index, as action min(floor(11 x), 10) of `HolderAllocationEnv`. So this environment
    plays what the other two can play, with equal rewards.

    ## Observation Space
    `Box` of float32, shape (10 + 6 H,): the ten features of `RoundBudgetEnv`, then per holder:

    | Offset | Name | Meaning |
    |---|---|---|
    | 0 | contribution | c of this round's lot / largest c; 0 after the last round |
    | 1 | loss | its l; 0 after the last round |
    | 2 | base | its base expectation / largest base expectation; 0 after the last round |
    | 3 | bought | lots bought from this holder so far / T |
    | 4 | refused | highest refused offer of this holder / base / 2; 0 if none |
    | 5 | accepted | lowest accepted offer of this holder / base / 2; 1 if none |
    | 6 | expectation | expectation / base / 4; only with `visible_expectations` |

    ## Rewards
    As in `RoundBudgetEnv`.

    ## Info
    `quality` so far. With `reveal=True` also `hidden`, for analysis only: a dictionary
    with `expectations`, float64 (T, H).

    ## Starting State
    A fresh base model, the whole budget, newly drawn hidden factors.

    ## Episode End
    Terminated after round T, or when no money is left. Never truncated: the horizon is part
    of the observation.

    ## Arguments
    `reveal`: whether infos hold what policies must not see, False by default.
    `render_mode`: "ansi", "rgb_array", "human" or None.
    All other arguments are the options of `copyright_gym.MarketConfig`.

    ```python
    import gymnasium as gym
    import copyright_gym
    env = gym.make("copyright_gym/JointAllocation-v0", rho=0.2)
    ```

    ## Source
    Our reconstruction; a flat rival of the hierarchy of arXiv:2410.20180.

    ## Version History
    * v0: first version
    """

    def __init__(
        self, reveal: bool = False, render_mode: str | None = None, **options: Any
    ) -> None:
        """Make the environment.

        Args:
            reveal: whether infos tell the hidden expectations.
            render_mode: "ansi", "rgb_array", "human" or None.
            **options: options of `MarketConfig`.

        Raises:
            OptionError: an option is unknown or impossible.
            PackError: the pack is unknown or damaged.
        """
        config = MarketConfig.from_options(**options)
        holders = make_tables(config).holders
        features = joint_features(holders, config.visible_expectations)
        super().__init__(config, features, reveal, render_mode)
        self.action_space = Box(-1.0, 1.0, (1 + holders,), np.float32)

    def step(self, action: ArrayLike) -> Step:
        """Play a round.

        Args:
            action: float (1 + H,) in [-1, 1].

        Returns:
            Observation, reward, terminated, truncated (always False) and info.

        Raises:
            InvalidAction: the action is not in the action space; the state is unchanged.
            ResetNeeded: the episode has not begun or is over.
        """
        shares, offers = joint_actions(np.asarray(action)[None], self.market.tables.holders)
        market, reward = self.market, 0.0
        market.begin_round(float(shares[0]))
        while market.due:
            reward += market.offer(int(offers[0, market.due_holder]))
        return self._result(reward + market.end_round())

    def _observe(self) -> Observation:
        return self.market.joint_observation()
