"""Reinforcement learning environments for copyright budget allocation in generative art.

A company fine-tunes an image model over several rounds and buys works from rights holders
under one budget. How much should it spend in each round, and what should it offer to whom?
Method: arXiv:2410.20180; this package is an independent reconstruction.
"""

from gymnasium.envs.registration import register

from copyright_gym.config import MarketConfig
from copyright_gym.market import Market
from copyright_gym.pack import Pack, load_pack, pack_names, verify_pack
from copyright_gym.policies import Policy, make_policy, policy_names, register_policy
from copyright_gym.rollout import Episodes, play, play_joint

__version__ = "0.1.0"

__all__ = [
    "Episodes",
    "Market",
    "MarketConfig",
    "Pack",
    "Policy",
    "load_pack",
    "make_policy",
    "pack_names",
    "play",
    "play_joint",
    "policy_names",
    "register_policy",
    "verify_pack",
]

register(
    id="copyright_gym/HolderAllocation-v0",
    entry_point="copyright_gym.envs.allocation:HolderAllocationEnv",
    vector_entry_point="copyright_gym.envs.vector_make:holder_allocation",
)
register(
    id="copyright_gym/RoundBudget-v0",
    entry_point="copyright_gym.envs.round_budget:RoundBudgetEnv",
    vector_entry_point="copyright_gym.envs.vector_make:round_budget",
)
register(
    id="copyright_gym/JointAllocation-v0",
    entry_point="copyright_gym.envs.joint:JointAllocationEnv",
    vector_entry_point="copyright_gym.envs.vector_make:joint_allocation",
)
register(
    id="copyright_gym/LiveRoundBudget-v0",
    entry_point="copyright_gym.envs.live_round_budget:LiveRoundBudgetEnv",
    nondeterministic=True,
)
