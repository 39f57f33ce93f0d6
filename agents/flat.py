"""Flat learners of Stable-Baselines3: PPO and SAC on whole rounds, DQN on single offers.

They have no hierarchy. PPO and SAC set a round's share and all of its offers at once; the DQN
makes the offers one by one with all the money at hand. Settings are the library's defaults but for
gamma = 1, since the horizon is part of the observation, and for as many gradient steps per decision
in 16 markets side by side as the defaults make in one.

Source: Schulman et al. 2017, arXiv:1707.06347; Haarnoja et al. 2018, arXiv:1801.01290; Mnih et al.
2015. Trained networks are kept as plain arrays and played in NumPy.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import DQN, PPO, SAC
from torch import nn

from copyright_gym.agents.sb3_vec_env import SB3VecEnv
from copyright_gym.config import MarketConfig
from copyright_gym.envs.vector_base import VectorMarketEnv
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.policies import Level
from copyright_gym.tables import make_tables

_ENVS = 16
_ROLLOUTS = {"ppo": 4 * _ENVS, "sac": _ENVS, "dqn": 4 * _ENVS}
"""Decisions of the shortest rollout: they are made in whole ones."""
FLAT = tuple(_ROLLOUTS)

Arrays = dict[str, NDArray[Any]]


class NetworkPolicy:
    """A trained multi-layer perceptron, played without exploration.

    Args:
        arrays: `algorithm`, `settings` of the training as JSON, and `weight` and `bias` of each
            layer by number, as "0.weight".

    Attributes:
        settings: those of the training in which it differs from the library's defaults.
        holders: number of holders that it must play with; None for any.
    """

    order: str | None = None
    stateless: ClassVar[bool] = True

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.algorithm = str(arrays["algorithm"])
        # Files of earlier versions have no settings.
        self.settings: dict[str, Any] = json.loads(str(arrays.get("settings", "{}")))
        self.level: Level = "holder" if self.algorithm == "dqn" else "joint"
        count = sum(name.endswith(".weight") for name in arrays)
        self._layers = [(arrays[f"{i}.weight"], arrays[f"{i}.bias"]) for i in range(count)]
        outputs = len(self._layers[-1][1])
        self.holders = outputs - 1 if self.level == "joint" else None

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Do nothing: the policy has no state."""

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose the mean action, or the legal action of highest value."""
        x = observation
        for number, (weight, bias) in enumerate(self._layers):
            x = x @ weight.T + bias
            if number < len(self._layers) - 1:
                x = np.tanh(x) if self.algorithm == "ppo" else np.maximum(x, 0)
        if self.algorithm == "dqn":
            return np.asarray(np.where(mask, x, -np.inf).argmax(axis=1))
        bounded = np.clip(x, -1, 1) if self.algorithm == "ppo" else np.tanh(x)
        return bounded.astype(np.float32)

    def data(self) -> bytes:
        """Return the arrays as the bytes of an npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self.arrays)
        return buffer.getvalue()


def load_network(path: str | Path) -> NetworkPolicy:
    """Read what `NetworkPolicy.data` gave.

    Args:
        path: the file.

    Returns:
        The policy.

    Raises:
        PolicyError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return NetworkPolicy(dict(file))
    except (OSError, KeyError, ValueError) as error:
        raise PolicyError(f"{path} is no file of a flat policy: {error}") from error


def train_flat(algorithm: str, config: MarketConfig, *, seed: int, steps: int) -> NetworkPolicy:
    """Train a flat learner.

    Args:
        algorithm: one of `FLAT`.
        config: options of the markets.
        seed: seed of the training.
        steps: interaction budget in holder decisions; a whole round counts H of them.

    Returns:
        The policy.

    Raises:
        PolicyError: the algorithm is unknown.
        OptionError: the budget is too small for one rollout.
    """
    if algorithm not in FLAT:
        raise PolicyError(f"unknown flat learner {algorithm!r}; known: {', '.join(FLAT)}")
    holders = make_tables(config).holders
    per_decision = 1 if algorithm == "dqn" else holders
    least = _ROLLOUTS[algorithm] * per_decision
    if steps < least:
        raise OptionError(f"steps must be at least {least}, one rollout, not {steps}")
    decisions = steps // per_decision
    options: dict[str, Any] = asdict(config)
    if algorithm == "dqn":
        options["round_policy"] = "all"
    name = "HolderAllocation-v0" if algorithm == "dqn" else "JointAllocation-v0"
    env = gym.make_vec(
        f"copyright_gym/{name}", num_envs=_ENVS, autoreset_mode="SameStep", **options
    )
    vec = SB3VecEnv(cast(VectorMarketEnv, env))
    settings: dict[str, Any] = {"gamma": 1.0}
    net: list[nn.Module]
    if algorithm == "ppo":
        n_steps = min(128, decisions // _ENVS // 4 * 4)  # whole batches of 64
        settings |= {"n_steps": n_steps}
        ppo = PPO("MlpPolicy", vec, seed=seed, device="cpu", **settings)
        # Whole rollouts: one that is begun would go beyond the budget.
        ppo.learn(decisions // (n_steps * _ENVS) * n_steps * _ENVS)
        net = [*ppo.policy.mlp_extractor.policy_net, ppo.policy.action_net]
    elif algorithm == "sac":
        settings |= {"gradient_steps": -1}
        sac = SAC("MlpPolicy", vec, seed=seed, device="cpu", **settings)
        sac.learn(decisions)
        net = [*sac.actor.latent_pi, sac.actor.mu]
    else:
        settings |= {"gradient_steps": _ENVS}
        dqn = DQN("MlpPolicy", vec, seed=seed, device="cpu", **settings)
        dqn.learn(decisions)
        net = list(dqn.q_net.q_net)
    told = json.dumps(settings | {"markets": _ENVS}, sort_keys=True)
    arrays: Arrays = {"algorithm": np.array(algorithm), "settings": np.array(told)}
    for number, layer in enumerate(layer for layer in net if isinstance(layer, nn.Linear)):
        arrays[f"{number}.weight"] = layer.weight.detach().numpy().copy()
        arrays[f"{number}.bias"] = layer.bias.detach().numpy().copy()
    return NetworkPolicy(arrays)
