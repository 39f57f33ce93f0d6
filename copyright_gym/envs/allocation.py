"""The inner decision: what to offer to the next rights holder."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.envs.base import DiscreteMarketEnv, Observation, Step, open_round
from copyright_gym.features import holder_features
from copyright_gym.policies import Level, Policy
from copyright_gym.routes import Stage

_OFFERING = Stage.OFFERING


class HolderAllocationEnv(DiscreteMarketEnv):
    """Make one offer after the other; one step is one rights holder.

    ## Description
    A company fine-tunes an image model over T rounds. In every round each of H rights holders
    has a lot of works to license. The budget B is far too small for all of them. A given
    round policy sets a part of the money aside for the round; the agent then visits the
    holders one by one and makes each an offer. A holder accepts an offer that reaches a
    hidden expectation, is paid, and the lot goes into the round's fine-tuning. The aim is a
    model that is as good as possible at the end.

    A lot's base expectation is price * (alpha * c + beta * l / mean(l)), where c is its
    contribution (attribution by TRAK, mean 1) and l = a * semantic + b * perceptual its
    copyright loss. The hidden expectation is the base times exp(sigma * z), with one z ~
    N(0, 1) per holder and episode. So a holder's answers tell about the next rounds.

    ## Action Space
    `Discrete(11)`: 0 is no offer; k >= 1 offers 0.5 * 4 ** ((k - 1) / 9) times the lot's base
    expectation, that is 0.5 to 2 times. An offer above what is left of the round's budget is
    capped there. `info["action_mask"]` (int8) and `action_masks()` (bool) mark actions whose
    capped price equals that of a lower action; they may be played all the same.

    ## Observation Space
    `Box` of float32, shape (19,); all in [0, 1] but the quality in [-1, 1].

    | Index | Name | Meaning |
    |---|---|---|
    | 0 | round_left | money left in the round / B |
    | 1 | round_budget | money set aside for the round / B |
    | 2 | outside | money left outside the round / B |
    | 3 | acceptance | accepted / H so far in the round |
    | 4 | quality | quality so far |
    | 5 | bought | lots bought from this holder so far / T |
    | 6 | refused | highest refused offer of this holder / base / 2; 0 if none |
    | 7 | accepted | lowest accepted offer of this holder / base / 2; 1 if none |
    | 8 | round | t / T |
    | 9 | position | position in the visiting order / H |
    | 10 | even_share | 1 / holders left in the round |
    | 11 | holder | holder index / (H - 1) |
    | 12 | contribution | c / largest c |
    | 13 | loss | l |
    | 14 | cost | base expectation / B, at most 1 |
    | 15 | base | base expectation / largest base expectation |
    | 16 | rest_contribution | mean c of the lots still to come in the round / largest c |
    | 17 | rest_loss | mean l of the lots still to come |
    | 18 | rest_cost | sum of their base expectations / B, at most 1 |
    | 19 | expectation | expectation / base / 4, at most 1; only with `visible_expectations` |

    Columns 5 to 7 and 9 to 19 are 0 at the end of an episode.

    ## Rewards
    The change of the model's quality by a lot that was bought, where quality is 1 - D / D0
    with the Fréchet distances D of the fine-tuned and D0 of the base model. The rewards of an
    episode sum to its final quality. `kappa` * payment / B and `copyright_weight` * exposure
    are taken off (both 0 by default); the exposure of a lot is its l over the sum of all l.
    With `noise=True` the quality after a round in which lots were bought is measured with noise,
    as a real model's is: what the quality model predicts, plus a normal deviation of the size
    that the pack states. It is part of the reward of the round's last step, so that rewards
    still sum to the final quality.

    ## Info
    `quality` so far and `action_mask`, see above. With `reveal=True` also `hidden`, for
    analysis only: a dictionary with `expectations`, float64 (T, H).

    ## Starting State
    A fresh base model, the whole budget, newly drawn hidden factors.

    ## Episode End
    Terminated after round T, or when no money is left. Never truncated: the horizon is part
    of the observation.

    ## Arguments
    `round_policy`: name or object of the policy at the round level, "uniform" by default.
    `reveal`: whether infos hold what policies must not see, False by default.
    `render_mode`: "ansi", "rgb_array", "human" or None.
    All other arguments are the options of `copyright_gym.MarketConfig`.

    ```python
    import gymnasium as gym
    import copyright_gym
    env = gym.make("copyright_gym/HolderAllocation-v0", rho=0.2, round_policy="greedy")
    ```

    ## Source
    Inner level of the hierarchical budget allocation of arXiv:2410.20180. Action grid,
    observation and hidden factor are our reconstruction.

    ## Version History
    * v0: first version
    """

    other_level: ClassVar[Level] = "round"

    def __init__(
        self,
        round_policy: str | Policy = "uniform",
        reveal: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        """Make the environment.

        Args:
            round_policy: name or object of the policy at the round level.
            reveal: whether infos tell the hidden expectations.
            render_mode: "ansi", "rgb_array", "human" or None.
            **options: options of `MarketConfig`.

        Raises:
            OptionError: an option is unknown or impossible.
            PackError: the pack is unknown or damaged.
            PolicyError: the policy is unknown or of the wrong level.
        """
        config = MarketConfig.from_options(**options)
        features = holder_features(config.visible_expectations)
        super().__init__(config, features, round_policy, reveal, render_mode)

    def step(self, action: np.int64 | int) -> Step:
        """Make an offer to the holder who is due.

        Args:
            action: integer in [0, 11).

        Returns:
            Observation, reward, terminated, truncated (always False) and info.

        Raises:
            InvalidAction: the action is not in the action space; the state is unchanged.
            ResetNeeded: the episode has not begun or is over.
        """
        market, over = self.market, False
        reward = market.offer(self._checked(action))
        if market.stage is not _OFFERING:
            reward += market.end_round()
            over = not market.running
            if not over:
                open_round(market, self.policy)
        if self.render_mode == "human":
            self.render()
        info = {"quality": market.quality, "action_mask": market.holder_mask()}
        if self.reveal:
            info = self._info()
        return market.holder_observation(), reward, over, False, info

    def _mask(self) -> NDArray[np.int8]:
        return self.market.holder_mask()

    def _start(self, seeded: bool) -> None:
        super()._start(seeded)
        open_round(self.market, self.policy)

    def _observe(self) -> Observation:
        return self.market.holder_observation()
