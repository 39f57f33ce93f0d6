"""Train Stable-Baselines3 on the environments: DQN on both levels, MaskablePPO on many markets.

Needs: pip install "copyright-gym[agents]" sb3-contrib. Takes seconds; train longer to learn more.
"""

from __future__ import annotations

import argparse

import gymnasium as gym
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN

import copyright_gym
from copyright_gym.agents.sb3_policy import from_sb3
from copyright_gym.agents.sb3_vec_env import SB3VecEnv


def main() -> None:
    """Train the three models and play with them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pack", default="portrait", help="name or folder (%(default)s)")
    parser.add_argument("--steps", type=int, default=2_000, help="for each model (%(default)s)")
    options = parser.parse_args()

    holder_env = gym.make("copyright_gym/HolderAllocation-v0", pack=options.pack)
    holder_dqn = DQN("MlpPolicy", holder_env, learning_starts=200, gamma=1.0, seed=0)
    holder_dqn.learn(options.steps)

    round_env = gym.make("copyright_gym/RoundBudget-v0", pack=options.pack)
    round_dqn = DQN("MlpPolicy", round_env, learning_starts=200, gamma=1.0, seed=0)
    round_dqn.learn(options.steps)

    many = gym.make_vec(
        "copyright_gym/HolderAllocation-v0",
        num_envs=16,
        autoreset_mode="SameStep",
        pack=options.pack,
    )
    ppo = MaskablePPO("MlpPolicy", SB3VecEnv(many), n_steps=40, gamma=1.0, seed=0)
    ppo.learn(options.steps)

    config = copyright_gym.MarketConfig(pack=options.pack)
    pairs = {
        "uniform + uniform": ("uniform", "uniform"),
        "uniform + DQN": ("uniform", from_sb3(holder_dqn, "holder")),
        "DQN + uniform": (from_sb3(round_dqn, "round"), "uniform"),
        "uniform + MaskablePPO": ("uniform", from_sb3(ppo, "holder")),
    }
    for name, pair in pairs.items():
        episodes = copyright_gym.play(config, *pair, seeds=range(1_000, 1_100))
        print(f"{name:24} mean final quality {episodes.quality[:, -1].mean():.4f}")


if __name__ == "__main__":
    main()
