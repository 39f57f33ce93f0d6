"""Four ways to bring your own policy: a class, a function, an SB3 model, an entry point.

Takes seconds. With `--out` the first three also join the benchmark: `copyright-gym bench report`
then compares them. For the entry point see `examples/plugin`: a package of its own whose policy
`copyright-gym bench run --policies uniform+generous` finds once it is installed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import PPO

from copyright_gym import MarketConfig, play, register_policy
from copyright_gym.agents.sb3_policy import from_sb3
from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.grid import run_grid
from copyright_gym.heuristics import highest_legal
from copyright_gym.policies import function_policy


class Fixed:
    """A class: always the same markup. Ten lines are enough."""

    level = "holder"
    order = None
    stateless = True

    def __init__(self, action: int = 7) -> None:
        self.action = action

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Do nothing: the policy has no state."""

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose the markup, or the highest one that the money pays for."""
        return highest_legal(mask, np.full(len(mask), self.action))


@function_policy("holder", order="value")
def generous(observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """A function: the best value for money first, at the highest markup that is legal."""
    return highest_legal(mask, np.full(len(mask), 10))


def main() -> None:
    """Play with all of them."""
    parser = argparse.ArgumentParser(description="Play with your own policies.")
    parser.add_argument("--pack", default="portrait", help="name or folder (%(default)s)")
    parser.add_argument("--steps", type=int, default=1_000, help="of PPO (%(default)s)")
    parser.add_argument("--out", type=Path, help="a new folder, to run the benchmark into")
    options = parser.parse_args()
    register_policy("fixed", "holder", Fixed)
    register_policy("generous", "holder", generous)
    env = gym.make("copyright_gym/HolderAllocation-v0", pack=options.pack)
    model = PPO("MlpPolicy", env, n_steps=200, batch_size=50, gamma=1.0, seed=0).learn(
        options.steps
    )
    register_policy("ppo", "holder", lambda: from_sb3(model, "holder"))
    names = ("fixed", "generous", "ppo")
    for name in names:
        episodes = play(MarketConfig(pack=options.pack), "uniform", name, seeds=range(100))
        print(f"uniform+{name:10} mean final quality {episodes.quality[:, -1].mean():.4f}")
    if options.out:
        # Cells go by names: after a change of a policy, or of --steps, take another folder.
        cells = make_cells(
            [f"uniform+{name}" for name in names] + ["uniform+greedy", "oracle"],
            packs=[options.pack],
            rhos=[0.4],
            seeds=[],  # of what the benchmark itself trains
            steps=0,
            evaluation_seed=0,
            episodes=100,
        )
        run_grid(cells, options.out)


if __name__ == "__main__":
    main()
