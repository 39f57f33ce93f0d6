"""The mask of the state in which an episode was cut off."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym


class FinalMask(gym.Wrapper[Any, Any, Any, Any]):
    """Puts `action_mask` into the info of a truncated step, if it is not there.

    A learning target looks ahead from a truncated step, and a VecEnv resets the environment before
    anybody can ask for the mask. `MaskableDQN` wraps a single environment by itself; the
    environments of a VecEnv get it by `make_vec_env(..., wrapper_class=FinalMask)`.

    Args:
        env: An environment with a method `action_masks()`.
    """

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step.

        Args:
            action: The action.

        Returns:
            What the environment returns.
        """
        observation, reward, terminated, truncated, info = self.env.step(action)
        if truncated and "action_mask" not in info:
            info = info | {"action_mask": self.get_wrapper_attr("action_masks")()}
        return observation, reward, terminated, truncated, info
