"""Both levels of the hierarchy as the two agents of a PettingZoo game (extra `multiagent`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import InvalidAction
from gymnasium.spaces import Box, Discrete
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import turn_based_aec_to_parallel

from copyright_gym.config import MarketConfig
from copyright_gym.envs.base import check_flags
from copyright_gym.envs.rendering import FPS, RENDER_MODES, Frame, Viewer
from copyright_gym.features import MARKUPS, ROUND_FEATURES, SHARES, bounds, holder_features
from copyright_gym.single_make import make_single

Observation = NDArray[np.float32]

BUDGET = "budget"
ALLOCATOR = "allocator"


class MarketAECEnv(AECEnv[str, Observation, Any]):
    """The agent `budget` sets money aside for a round, then `allocator` makes its H offers.

    ## Description
    The market of `HolderAllocationEnv` with both levels of the hierarchy as learning agents.
    They want the same: both get every reward, so what `budget` gets between two of its turns
    is the reward of `RoundBudgetEnv`, and what `allocator` gets for an offer is that of
    `HolderAllocationEnv`.

    ## Action Spaces
    `Discrete(11)` each, as in `RoundBudgetEnv` and `HolderAllocationEnv`. The info of the agent
    whose turn it is has an `action_mask` (int8).

    ## Observation Spaces
    As in `RoundBudgetEnv` and `HolderAllocationEnv`.

    ## Arguments
    `render_mode`: "ansi", "rgb_array", "human" or None. All other arguments are the options of
    `copyright_gym.MarketConfig`.

    ```python
    from copyright_gym.envs.aec import MarketAECEnv, parallel_env
    env = MarketAECEnv(rho=0.2)
    env = parallel_env(rho=0.2)  # the same turns in PettingZoo's parallel interface
    ```

    ## Source
    The hierarchy of arXiv:2410.20180; as a game it is our reconstruction.
    """

    metadata = {  # noqa: RUF012 - PettingZoo declares it as an instance variable
        "name": "copyright_market_v0",
        "render_modes": RENDER_MODES,
        "render_fps": FPS,
        "is_parallelizable": True,
    }

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        """Make the game.

        Args:
            render_mode: "ansi", "rgb_array", "human" or None.
            **options: options of `MarketConfig`.

        Raises:
            OptionError: an option is unknown or impossible.
            PackError: the pack is unknown or damaged.
        """
        super().__init__()
        check_flags(False, render_mode)
        config = MarketConfig.from_options(**options)
        self.market = make_single(config)
        self.render_mode = render_mode
        self._viewer = Viewer()
        self._generator: np.random.Generator | None = None
        self.possible_agents = [BUDGET, ALLOCATOR]
        self.agents: list[str] = []
        features = {BUDGET: ROUND_FEATURES, ALLOCATOR: holder_features(config.visible_expectations)}
        self._observation_spaces = {
            agent: Box(*bounds(names), dtype=np.float32) for agent, names in features.items()
        }
        self._action_spaces = {agent: Discrete(len(MARKUPS)) for agent in features}

    def observation_space(self, agent: str) -> Box:
        """Return an agent's observation space."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        """Return an agent's action space."""
        return self._action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start an episode.

        Args:
            seed: seeds the generator that this and the following episodes draw from.
            options: unused.
        """
        if seed is not None or self._generator is None:
            self._generator = np_random(seed)[0]
        self.market.reset(self._generator)
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self._turn_to(BUDGET)

    def observe(self, agent: str) -> Observation:
        """Return what an agent sees, in a new array."""
        if agent == BUDGET:
            return self.market.round_observation()
        return self.market.holder_observation()

    def step(self, action: np.int64 | int | None) -> None:
        """Let the agent whose turn it is act.

        Args:
            action: integer in [0, 11); None for an agent whose episode is over.

        Raises:
            InvalidAction: the action is not in the action space; the state is unchanged.
        """
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        if action is None or not self.action_space(agent).contains(action):
            raise InvalidAction(f"{action!r} is not in {self.action_space(agent)}")
        reward = self._act(agent, int(action))
        self._cumulative_rewards[agent] = 0.0
        self.rewards = dict.fromkeys(self.agents, reward)
        self._accumulate_rewards()
        self.terminations = dict.fromkeys(self.agents, not self.market.running)
        self._turn_to(ALLOCATOR if self.market.due else BUDGET)
        if self.render_mode == "human":
            self.render()

    def render(self) -> Any:
        """Draw the market; see `MarketEnv.render`."""
        if self.render_mode == "ansi":
            return Frame.of(self.market).text()
        if self.render_mode is None:
            return None
        return self._viewer.draw(Frame.of(self.market), self.render_mode)

    def close(self) -> None:
        """Close the window, if there is one."""
        self._viewer.close()

    def _act(self, agent: str, action: int) -> float:
        market = self.market
        if agent == BUDGET:
            market.begin_round(action / (len(SHARES) - 1))
            return 0.0
        reward = market.offer(action)
        return reward if market.due else reward + market.end_round()

    def _turn_to(self, agent: str) -> None:
        self.agent_selection = agent
        masks = {BUDGET: self.market.round_mask, ALLOCATOR: self.market.holder_mask}
        self.infos: dict[str, dict[str, Any]] = {
            each: {"quality": self.market.quality} for each in self.agents
        }
        self.infos[agent]["action_mask"] = masks[agent]()


def parallel_env(render_mode: str | None = None, **options: Any) -> ParallelEnv[Any, Any, Any]:
    """Make the game in PettingZoo's parallel interface; agents out of turn do nothing.

    Args:
        render_mode: "ansi", "rgb_array", "human" or None.
        **options: options of `MarketConfig`.

    Returns:
        The game.
    """
    return turn_based_aec_to_parallel(MarketAECEnv(render_mode, **options))
