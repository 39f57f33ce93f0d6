"""Vector environments of width 1, played by the kernel of a single market."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import InvalidAction
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from copyright_gym.envs.base import DiscreteMarketEnv, MarketEnv
from copyright_gym.envs.vector_base import Bools, Observations, Step
from copyright_gym.envs.vector_options import as_autoreset_mode, as_seeds, reset_mask
from copyright_gym.errors import OptionError
from copyright_gym.policies import Policy
from copyright_gym.single import SingleMarket

_TRUE, _FALSE = np.ones(1, np.bool_), np.zeros(1, np.bool_)


class OneMarketVectorEnv(VectorEnv[Observations, NDArray[Any], NDArray[Any]]):
    """A single environment behind the interface of `VectorMarketEnv`, with the same bits.

    Attributes:
        env: the single environment.
        num_envs: 1.
    """

    num_envs = 1

    def __init__(self, env: MarketEnv[Any], autoreset_mode: str | AutoresetMode) -> None:
        """Wrap an environment.

        Args:
            env: the single environment.
            autoreset_mode: when the next episode begins.

        Raises:
            OptionError: the mode is unknown, or the environment has a render mode.
        """
        if env.render_mode is not None:
            raise OptionError(
                f"vector environments don't draw: render_mode must be None, not {env.render_mode!r}"
            )
        self.env = env
        self.autoreset_mode = as_autoreset_mode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = env.observation_space
        self.observation_space = batch_space(env.observation_space, 1)
        self.single_action_space = env.action_space
        self.action_space = batch_space(env.action_space, 1)
        self._next_step = self.autoreset_mode is AutoresetMode.NEXT_STEP
        self._same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        self._waiting = False

    @property
    def market(self) -> SingleMarket:
        """The kernel. It also holds what policies must not see."""
        return self.env.market

    @property
    def reveal(self) -> bool:
        """Whether infos tell the hidden expectations."""
        return self.env.reveal

    @reveal.setter
    def reveal(self, reveal: bool) -> None:
        self.env.reveal = reveal

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Start an episode; see `VectorMarketEnv.reset`."""
        (first,) = as_seeds(seed, 1)
        reset_mask(options, 1)
        self._waiting = False
        observation, info = self.env.reset(seed=first)
        return observation[None], _batched(info)

    def step(self, actions: ArrayLike) -> Step:
        """Take a step; see `VectorMarketEnv.step`."""
        if self._waiting:
            self._waiting = False
            observation, info = self.env.reset()
            return observation[None], np.zeros(1), _FALSE.copy(), _FALSE.copy(), _batched(info)
        values = np.asarray(actions)
        if values.shape != self.action_space.shape:
            raise InvalidAction(f"{actions!r} is not in {self.action_space}")
        observation, reward, over, _, info = self.env.step(values[0])
        final: dict[str, Any] = {}
        if over and self._same_step:
            last = np.empty(1, dtype=object)
            last[0] = observation
            final = {"final_obs": last, "final_info": _batched(info)}
            final |= {"_final_obs": _TRUE.copy(), "_final_info": _TRUE.copy()}
            observation, info = self.env.reset()
        self._waiting = over and self._next_step
        infos = _batched(info)
        infos.update(final)
        ended = _TRUE if over else _FALSE
        return observation[None], np.array([reward]), ended.copy(), _FALSE.copy(), infos


class OneDiscreteMarketVectorEnv(OneMarketVectorEnv):
    """The same for a view of one level of the hierarchy."""

    env: DiscreteMarketEnv

    def action_masks(self) -> Bools:
        """Return the legal actions, bool (1, 11), True where legal."""
        return self.env.action_masks()[None]

    def set_policy(self, policy: str | Policy) -> None:
        """Change the policy of the other level; see `DiscreteMarketEnv.set_policy`."""
        self.env.set_policy(policy)


def _batched(info: dict[str, Any]) -> dict[str, Any]:
    """Return an info dictionary as that of a vector environment."""
    infos: dict[str, Any] = {}
    for name, value in info.items():
        infos[name] = _batched(value) if isinstance(value, dict) else np.array([value])
        infos[f"_{name}"] = _TRUE.copy()
    return infos
