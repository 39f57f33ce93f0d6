"""The outer decision: how much of the budget to set aside for a round."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.envs.base import DiscreteMarketEnv, Observation, Step, finish_round
from copyright_gym.features import ROUND_FEATURES, SHARES
from copyright_gym.policies import Level, Policy


class RoundBudgetEnv(DiscreteMarketEnv):
    """Set money aside for one round after the other; one step is one round.

    ## Description
    The market of `HolderAllocationEnv`, seen from above: the agent decides how much of the
    money that is left may be spent in the round, and a given holder policy makes the offers.
    Money that a round does not spend stays with the company.

    ## Action Space
    `Discrete(11)`: action k sets k / 10 of the money left aside. `info["action_mask"]` (int8)
    and `action_masks()` (bool) mark all actions but 0 illegal once the episode is over.

    ## Observation Space
    `Box` of float32, shape (10,); all in [0, 1] but the two qualities in [-1, 1].

    | Index | Name | Meaning |
    |---|---|---|
    | 0 | leftover | money left / B |
    | 1 | quality | quality so far |
    | 2 | quality_change | change of quality in the last round |
    | 3 | spent | spent / set aside in the last round; 0 if nothing |
    | 4 | acceptance | accepted / H in the last round |
    | 5 | round | t / T |
    | 6 | mean_contribution | mean c of this round's lots / largest c |
    | 7 | mean_loss | mean l of this round's lots |
    | 8 | round_cost | sum of this round's base expectations / B, at most 1 |
    | 9 | even_share | 1 / rounds left |

    Columns 6 to 9 are 0 after the last round.

    ## Rewards
    The change of the model's quality in the round. The rewards of an episode sum to its final
    quality. `kappa`, `copyright_weight` and `noise` act as in `HolderAllocationEnv`.

    ## Info
    `quality` so far and `action_mask`, see above. With `reveal=True` also `hidden`, for
    analysis only: a dictionary with `expectations`, float64 (T, H).

    ## Starting State
    A fresh base model, the whole budget, newly drawn hidden factors.

    ## Episode End
    Terminated after round T, or when no money is left. Never truncated: the horizon is part
    of the observation.

    ## Arguments
    `holder_policy`: name or object of the policy at the holder level, "uniform" by default.
    `reveal`: whether infos hold what policies must not see, False by default.
    `render_mode`: "ansi", "rgb_array", "human" or None.
    All other arguments are the options of `copyright_gym.MarketConfig`.

    ```python
    import gymnasium as gym
    import copyright_gym
    env = gym.make("copyright_gym/RoundBudget-v0", rho=0.2, holder_policy="greedy")
    ```

    ## Source
    Outer level of the hierarchical budget allocation of arXiv:2410.20180. Action grid and
    observation are our reconstruction.

    ## Version History
    * v0: first version
    """

    other_level: ClassVar[Level] = "holder"

    def __init__(
        self,
        holder_policy: str | Policy = "uniform",
        reveal: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        """Make the environment.

        Args:
            holder_policy: name or object of the policy at the holder level.
            reveal: whether infos tell the hidden expectations.
            render_mode: "ansi", "rgb_array", "human" or None.
            **options: options of `MarketConfig`.

        Raises:
            OptionError: an option is unknown or impossible.
            PackError: the pack is unknown or damaged.
            PolicyError: the policy is unknown or of the wrong level.
        """
        config = MarketConfig.from_options(**options)
        super().__init__(config, ROUND_FEATURES, holder_policy, reveal, render_mode)

    def step(self, action: np.int64 | int) -> Step:
        """Play a round.

        Args:
            action: integer in [0, 11), tenths of the money left.

        Returns:
            Observation, reward, terminated, truncated (always False) and info.

        Raises:
            InvalidAction: the action is not in the action space; the state is unchanged.
            ResetNeeded: the episode has not begun or is over.
        """
        share = self._checked(action) / (len(SHARES) - 1)
        self.market.begin_round(share, self.policy.order)
        return self._result(finish_round(self.market, self.policy))

    def _mask(self) -> NDArray[np.int8]:
        return self.market.round_mask()

    def _observe(self) -> Observation:
        return self.market.round_observation()
