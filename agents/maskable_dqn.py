"""A deep Q-network that never takes, and never bootstraps from, an illegal action.

Stable-Baselines3 has no masked DQN. `MaskableDQN` adds the mask in the three places where an
action is chosen: the random action of epsilon-greedy exploration, the greedy action, and the
argmax inside the learning target. It is a drop-in `DQN` for any environment with an
`action_masks()` method (True = legal), the convention of sb3-contrib.

Sources: Mnih et al. 2015 (DQN), van Hasselt et al. 2016 (Double DQN), Huang and Ontañón 2022
(invalid action masking).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional

from copyright_gym.agents.final_mask import FinalMask
from copyright_gym.agents.replay import NEXT_MASK_KEY, MaskableReplayBuffer, MaskedSamples


class MaskableDQN(DQN):
    """DQN with action masks in behaviour and target, and optional Double DQN.

    Takes all arguments of `stable_baselines3.DQN` except `n_steps`, `optimize_memory_usage` and
    `replay_buffer_class`. Two runs with the same `seed` give the same weights, bit for bit.

    Stable-Baselines3's `evaluate_policy` knows no masks and plays illegal actions; that of
    sb3-contrib asks the environment for them:

    ```python
    from sb3_contrib.common.maskable.evaluation import evaluate_policy
    mean, deviation = evaluate_policy(model, env, n_eval_episodes=20)
    ```

    `load` begins the stream of exploration anew from the seed, and like DQN's with an empty replay
    buffer (see `save_replay_buffer`). So learning on is repeatable, but differs in its bits from
    learning without a stop.

    Args:
        policy: The policy class or its name, as in DQN.
        env: An environment (or VecEnv) with Discrete actions and an `action_masks()` method.
        double_q: Choose the target's action with the online network (Double DQN).
        **kwargs: Passed to `stable_baselines3.DQN`.

    Raises:
        ValueError: If an unsupported option is given, or observations are dictionaries.
    """

    replay_buffer: MaskableReplayBuffer

    def __init__(self, policy: Any, env: Any, double_q: bool = True, **kwargs: Any) -> None:
        for name in ("n_steps", "optimize_memory_usage", "replay_buffer_class"):
            if name in kwargs:
                raise ValueError(f"MaskableDQN does not support the option {name!r}")
        self.double_q = double_q
        self._last_masks: NDArray[np.bool_] | None = None
        super().__init__(policy, env, replay_buffer_class=MaskableReplayBuffer, **kwargs)

    @classmethod
    def from_spaces(
        cls,
        observation_space: spaces.Box,
        action_space: spaces.Discrete,
        n_envs: int,
        **kwargs: Any,
    ) -> MaskableDQN:
        """Build a model for a training loop that is not an environment.

        Args:
            observation_space: The observation space.
            action_space: The action space.
            n_envs: Number of transitions stored by each call of `replay_buffer.add`.
            **kwargs: As for the constructor.

        Returns:
            A model with networks, optimiser and replay buffer, but without an environment.
        """
        model = cls("MlpPolicy", None, _init_setup_model=False, **kwargs)
        model.observation_space = observation_space
        model.action_space = action_space
        model.n_envs = n_envs
        model._setup_model()
        return model

    @staticmethod
    def _wrap_env(env: GymEnv, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        masked = env if isinstance(env, VecEnv) else FinalMask(env)
        return DQN._wrap_env(masked, verbose, monitor_wrapper)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_online", "_behind"]

    def _setup_model(self) -> None:
        if isinstance(self.observation_space, spaces.Dict):
            raise ValueError(
                f"MaskableDQN needs observations that are arrays, not {self.observation_space}; "
                "wrap the environment in gymnasium.wrappers.FlattenObservation"
            )
        super()._setup_model()
        self.replay_buffer.rng = np.random.default_rng([0 if self.seed is None else self.seed, 1])
        # Kept, for walking through the modules takes as long as a small network's step.
        self._online = list(self.q_net.parameters())
        self._behind = list(self.q_net_target.parameters())

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed the networks' initial weights, the exploration and the environment.

        Args:
            seed: The seed; None leaves the global generators as they are.
        """
        super().set_random_seed(seed)
        self.rng = np.random.default_rng(seed)

    def _environment_masks(self) -> NDArray[np.bool_]:
        assert self.env is not None
        return np.stack(self.env.env_method("action_masks")).astype(np.bool_)

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        if isinstance(self.env, VecEnv) and not self.env.has_attr("action_masks"):
            raise ValueError("MaskableDQN needs an environment with a method action_masks()")
        result = super()._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        self._last_masks = self._environment_masks()
        return result

    def _sample_action(
        self,
        learning_starts: int,
        action_noise: ActionNoise | None = None,
        n_envs: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        assert self._last_masks is not None
        warm_up = self.num_timesteps < learning_starts
        actions = self.act(
            self._last_obs, self._last_masks, 1.0 if warm_up else self.exploration_rate
        )
        return actions, actions

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: NDArray[Any],
        new_obs: NDArray[Any] | dict[str, NDArray[Any]],
        reward: NDArray[Any],
        dones: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        masks = self._environment_masks()
        for i, info in enumerate(infos):
            info[NEXT_MASK_KEY] = masks[i]
            if info.get("TimeLimit.truncated", False):
                # The environment is already reset: only its last info knows the mask.
                if "action_mask" not in info:
                    raise ValueError(
                        "a truncated step needs 'action_mask' in its info: give the environment to "
                        "MaskableDQN itself, or make_vec_env(..., wrapper_class=FinalMask)"
                    )
                info[NEXT_MASK_KEY] = np.asarray(info["action_mask"], dtype=np.bool_)
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
        self._last_masks = masks

    def act(self, observations: Any, masks: NDArray[np.bool_], epsilon: float) -> NDArray[np.int64]:
        """Choose actions epsilon-greedily among the legal ones.

        Args:
            observations: Array (n, d).
            masks: True where an action is legal, (n, k).
            epsilon: Probability of a uniformly random legal action, drawn for each row.

        Returns:
            The actions, int64 (n,).

        Raises:
            ValueError: If a row has no legal action.
        """
        if not masks.any(axis=1).all():
            raise ValueError("action masks must leave at least one legal action in each state")
        tensor, _ = self.policy.obs_to_tensor(observations)
        if self.policy.training:
            self.policy.set_training_mode(False)
        with torch.no_grad():
            actions = _best_legal(self.q_net(tensor), torch.as_tensor(masks, device=self.device))
        chosen: NDArray[np.int64] = actions.squeeze(1).cpu().numpy()
        if epsilon > 0.0:
            explore = self.rng.random(len(masks)) < epsilon
            random_keys = np.where(masks, self.rng.random(masks.shape), -1.0)
            chosen = np.where(explore, random_keys.argmax(axis=1), chosen)
        return chosen

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
        action_masks: NDArray[Any] | None = None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Choose actions for one observation or a batch of them.

        Args:
            observation: Array (d,) or (n, d).
            state: Returned as it is; the network has no memory.
            episode_start: Ignored, as in DQN.
            deterministic: Without exploration.
            action_masks: True (or 1) where an action is legal, (k,) or (n, k). None: all are.

        Returns:
            The actions, () or (n,), and `state`.

        Raises:
            ValueError: If the masks have the wrong shape or a row has no legal action.
        """
        assert isinstance(self.action_space, spaces.Discrete)
        batched = self.policy.is_vectorized_observation(observation)
        shape = (len(observation) if batched else 1, int(self.action_space.n))
        given = np.ones(shape) if action_masks is None else np.asarray(action_masks)
        if given.size != shape[0] * shape[1]:
            raise ValueError(f"action_masks has shape {given.shape}, expected {shape}")
        masks = given.reshape(shape).astype(np.bool_)
        actions = self.act(observation, masks, 0.0 if deterministic else self.exploration_rate)
        return (actions if batched else actions.squeeze(0)), state

    def td_target(self, batch: MaskedSamples) -> torch.Tensor:
        """Compute the one-step target r + gamma * Q_target(s', a') with a' legal in s'.

        Args:
            batch: Transitions.

        Returns:
            The targets, float32 (n, 1).
        """
        with torch.no_grad():
            # Where an episode ended there is nothing to look ahead to.
            goes_on = (batch.dones < 1).flatten().nonzero().flatten()
            following = batch.next_observations[goes_on]
            values = self.q_net_target(following)
            chooser = self.q_net(following) if self.double_q else values
            best = values.gather(1, _best_legal(chooser, batch.next_masks[goes_on]))
            return batch.rewards.index_add(0, goes_on, self.gamma * best)

    def gradient_loss(self, batch: MaskedSamples) -> torch.Tensor:
        """Compute the Huber loss.

        Args:
            batch: Transitions.

        Returns:
            The loss, a scalar.
        """
        values = self.q_net(batch.observations).gather(1, batch.actions.long())
        return functional.smooth_l1_loss(values, self.td_target(batch))

    def gradient_step(self, batch: MaskedSamples) -> torch.Tensor:
        """Make one optimiser step on `gradient_loss`.

        Args:
            batch: Transitions.

        Returns:
            The loss before the step, a detached scalar.
        """
        loss = self.gradient_loss(batch)
        self.policy.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._online, self.max_grad_norm)
        self.policy.optimizer.step()
        return loss.detach()

    def mix_target(self, tau: float) -> None:
        """Move the target network towards the online one.

        Args:
            tau: Part of the online weights in the new target weights.
        """
        polyak_update(self._online, self._behind, tau)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Make gradient steps on batches from the replay buffer; `learn` calls this.

        Args:
            gradient_steps: Number of steps.
            batch_size: Transitions a step.
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses = [
            self.gradient_step(self.replay_buffer.sample(batch_size, self._vec_normalize_env))
            for _ in range(gradient_steps)
        ]
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", float(torch.stack(losses).mean()))


def _best_legal(values: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    return values.masked_fill(~masks, -torch.inf).argmax(dim=1, keepdim=True)
