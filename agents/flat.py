"""Flat learners of Stable-Baselines3: PPO and SAC on whole rounds, DQN on single offers.

They have no hierarchy. PPO and SAC set a round's share and all of its offers at once; the DQN
makes the offers one by one with all the money at hand. Settings are the library's defaults but for
gamma = 1, since the horizon is part of the observation, and for as many gradient steps per decision
in 16 markets side by side as the defaults make in one.

Source: Schulman et al. 2017, arXiv:1707.06347; Haarnoja et al. 2018, arXiv:1801.01290; Mnih et al.
2015.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, cast

import gymnasium as gym
import numpy as np
from stable_baselines3 import DQN, PPO, SAC
from torch import nn

from copyright_gym.agents.network_policy import Arrays, NetworkPolicy
from copyright_gym.agents.sb3_vec_env import SB3VecEnv
from copyright_gym.config import MarketConfig
from copyright_gym.envs.vector_base import VectorMarketEnv
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.tables import make_tables

_ENVS = 16
_ROLLOUTS = {"ppo": 4 * _ENVS, "sac": _ENVS, "dqn": 4 * _ENVS}
"""Decisions of the shortest rollout: they are made in whole ones."""
FLAT = tuple(_ROLLOUTS)


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
