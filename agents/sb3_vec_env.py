"""The native vector environments for Stable-Baselines3, which takes no gymnasium VectorEnv."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium import Wrapper
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from copyright_gym.envs.vector_make import AnyVectorEnv
from copyright_gym.errors import OptionError

# Not what Stable-Baselines3 has its own names for.
_NAMES = ("quality", "action_mask", "hidden", "expectations")

Indices = int | Iterable[int] | None


class SB3VecEnv(VecEnv):
    """A vector environment of this package behind Stable-Baselines3's interface.

    ```python
    vector_env = gym.make_vec(
        "copyright_gym/HolderAllocation-v0", num_envs=64, autoreset_mode="SameStep"
    )
    model = MaskablePPO("MlpPolicy", SB3VecEnv(vector_env))
    ```

    The markets of a vector environment share all attributes. So `get_attr` returns the same
    for each, and `set_attr` and `set_policy` change all of them.

    Args:
        env: The vector environment, with the autoreset mode "SameStep".

    Raises:
        OptionError: The autoreset mode is another one.
    """

    def __init__(self, env: AnyVectorEnv) -> None:
        if env.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise OptionError(
                f"autoreset_mode must be {AutoresetMode.SAME_STEP.value!r} "
                f"for Stable-Baselines3, not {env.autoreset_mode.value!r}"
            )
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._actions: NDArray[Any] = np.zeros(0)

    def reset(self) -> NDArray[np.float32]:
        """Reset all markets, with the seeds given to `seed` before.

        Returns:
            float32 (n, d), observations.
        """
        observations, infos = self.env.reset(seed=self._seeds)
        self.reset_infos = self._split(infos)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions of the coming step.

        Args:
            actions: one per market.
        """
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Take a step with the actions that were kept.

        Returns:
            Observations float32 (n, d), rewards float32 (n,), ends of episodes bool (n,), and
            one info dictionary per market, with `terminal_observation` at an end.
        """
        observations, rewards, ended, _, infos = self.env.step(self._actions)
        per_market = self._split(infos)
        for row in np.flatnonzero(ended).tolist():
            last = _of_market(infos["final_info"], row)
            self.reset_infos[row] = per_market[row]
            per_market[row] = last | {
                "TimeLimit.truncated": False,
                "terminal_observation": infos["final_obs"][row],
            }
        return observations, rewards.astype(np.float32), ended, per_market

    def close(self) -> None:
        """Close the vector environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Return an attribute of the vector environment, once per market.

        Args:
            attr_name: The attribute's name.
            indices: The markets; None for all.

        Returns:
            A list of the same value.

        Raises:
            AttributeError: There is no such attribute.
        """
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the vector environment.

        Args:
            attr_name: The attribute's name.
            value: Its value.
            indices: Must be None: markets share all attributes.

        Raises:
            ValueError: Only some of the markets are named.
        """
        self._require_all(indices)
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment, once for all markets.

        Args:
            method_name: "action_masks", or a method such as "set_policy" that returns None.
            *method_args: Its arguments.
            indices: The markets whose results to return; None for all. A method that returns
                None needs all.
            **method_kwargs: Its keyword arguments.

        Returns:
            The rows of the result, or a None per market.

        Raises:
            ValueError: Only some of the markets are named where all are needed.
        """
        if method_name != "action_masks":
            self._require_all(indices)
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [None if result is None else result[row] for row in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[Wrapper[Any, Any, Any, Any]], indices: Indices = None
    ) -> list[bool]:
        """Return False for each market: native vector environments have no wrappers inside."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return None for each market: vector environments don't draw."""
        return [None] * self.num_envs

    def _require_all(self, indices: Indices) -> None:
        if indices is not None and len(set(self._get_indices(indices))) < self.num_envs:
            raise ValueError(f"the markets share everything; indices must be None, not {indices!r}")

    def _split(self, infos: dict[str, Any]) -> list[dict[str, Any]]:
        """Return an info dictionary per market."""
        return [
            _of_market(infos, row) | {"TimeLimit.truncated": False} for row in range(self.num_envs)
        ]


def _of_market(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """Return the part of infos that is about a market."""
    info: dict[str, Any] = {}
    for name in (each for each in _NAMES if each in infos):
        values = infos[name]
        info[name] = _of_market(values, row) if isinstance(values, dict) else values[row]
    return info
