"""A replay buffer that knows which actions are legal in the next state."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

NEXT_MASK_KEY = "next_action_mask"


class MaskedSamples(NamedTuple):
    """A batch of transitions; the tensors have one row per transition.

    Attributes:
        observations: float32 (n, d).
        actions: int64 (n, 1).
        next_observations: float32 (n, d).
        dones: float32 (n, 1); 1 where the episode terminated.
        rewards: float32 (n, 1).
        next_masks: bool (n, k); True where an action is legal in the next state.
    """

    observations: torch.Tensor
    actions: torch.Tensor
    next_observations: torch.Tensor
    dones: torch.Tensor
    rewards: torch.Tensor
    next_masks: torch.Tensor


class MaskableReplayBuffer(ReplayBuffer):
    """A replay buffer that also keeps which actions are legal in the next state.

    `add` reads the mask from `infos[i]["next_action_mask"]`. Samples are drawn from the buffer's
    own generator, so that nothing depends on NumPy's global state.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
    ) -> None:
        if optimize_memory_usage:
            raise ValueError("MaskableReplayBuffer does not support optimize_memory_usage=True")
        if not isinstance(action_space, spaces.Discrete):
            raise ValueError(f"MaskableReplayBuffer needs a Discrete action space: {action_space}")
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            optimize_memory_usage,
            handle_timeout_termination,
        )
        self.next_masks = np.ones((self.buffer_size, n_envs, int(action_space.n)), dtype=np.bool_)
        self.rng = np.random.default_rng()

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Store one transition per environment.

        Args:
            obs: Observations (n_envs, d).
            next_obs: Observations after the step, before any reset.
            action: Actions (n_envs,).
            reward: Rewards (n_envs,).
            done: True where the episode ended.
            infos: One dict per environment, each with `next_action_mask` (k,).
        """
        self.next_masks[self.pos] = np.stack([info[NEXT_MASK_KEY] for info in infos])
        super().add(obs, next_obs, action, reward, done, infos)

    def add_batch(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        next_mask: NDArray[np.bool_],
    ) -> None:
        """Store m transitions at once, in a buffer with `n_envs=1`.

        Args:
            obs: Observations (m, d).
            next_obs: Observations after the step (m, d).
            action: Actions (m,).
            reward: Rewards (m,).
            done: True where the episode terminated, (m,).
            next_mask: True where an action is legal in the next state, (m, k).

        Raises:
            ValueError: If the buffer has more than one column.
        """
        if self.n_envs != 1:
            raise ValueError(f"add_batch needs a buffer with n_envs=1, not {self.n_envs}")
        rows = (self.pos + np.arange(len(action))) % self.buffer_size
        self.observations[rows, 0] = obs
        self.next_observations[rows, 0] = next_obs
        self.actions[rows, 0, 0] = action
        self.rewards[rows, 0] = reward
        self.dones[rows, 0] = done
        self.timeouts[rows, 0] = False
        self.next_masks[rows, 0] = next_mask
        self.full = self.full or self.pos + len(action) >= self.buffer_size
        self.pos = (self.pos + len(action)) % self.buffer_size

    def sample(  # type: ignore[override]  # a tuple with one more field
        self, batch_size: int, env: VecNormalize | None = None
    ) -> MaskedSamples:
        """Draw transitions uniformly, with replacement.

        Args:
            batch_size: Number of transitions.
            env: A VecNormalize that normalises observations and rewards, if one is in use.

        Returns:
            The batch, on the buffer's device.
        """
        rows = self.rng.integers(self.size(), size=batch_size)
        columns = self.rng.integers(self.n_envs, size=batch_size)
        ended = self.dones[rows, columns] * (1.0 - self.timeouts[rows, columns])
        arrays = (
            self._normalize_obs(self.observations[rows, columns], env),
            self.actions[rows, columns],
            self._normalize_obs(self.next_observations[rows, columns], env),
            ended.reshape(-1, 1),
            self._normalize_reward(self.rewards[rows, columns].reshape(-1, 1), env),
            self.next_masks[rows, columns],
        )
        return MaskedSamples(*(torch.as_tensor(array, device=self.device) for array in arrays))
