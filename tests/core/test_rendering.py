from __future__ import annotations

import gymnasium as gym
import matplotlib as mpl
import numpy as np
import pytest
from gymnasium.wrappers import RecordVideo

from copyright_gym.envs.allocation import HolderAllocationEnv
from copyright_gym.errors import OptionError

HOLDER = "copyright_gym/HolderAllocation-v0"
ROUND = "copyright_gym/RoundBudget-v0"
JOINT = "copyright_gym/JointAllocation-v0"
IDS = (HOLDER, ROUND, JOINT)

mpl.use("agg")


def test_text(synthetic_pack):
    env = gym.make(HOLDER, pack=synthetic_pack, render_mode="ansi", sigma=0.0)
    env.reset(seed=0)
    for action in (10, 1, 0):
        env.step(action)
    lines = env.render().splitlines()
    assert len(lines) == 1 + 8 + 2 + 1
    first, second, third = (line.split() for line in lines[1:4])
    assert first[:2] == ["Holder", "0"]
    assert first[3] == "+"
    assert second[3] == "-"
    assert third[2:] == ["."] * 5
    offer, asked = map(float, first[2].split("/"))
    assert offer == pytest.approx(2 * asked, abs=0.1)
    left = 100 * env.unwrapped.market.leftover / env.unwrapped.market.tables.budget
    assert lines[-1] == f"left {left:.1f} %, quality {env.unwrapped.market.quality:+.4f}"


@pytest.mark.parametrize("env_id", IDS)
def test_images_change(synthetic_pack, env_id):
    env = gym.make(env_id, pack=synthetic_pack, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert first.dtype == np.uint8
    assert first.shape == (320, 800, 3)
    env.step(env.action_space.sample() * 0 + 1)
    assert not np.array_equal(first, env.render())
    env.close()


def test_window(synthetic_pack):
    env = gym.make(ROUND, pack=synthetic_pack, render_mode="human")
    env.reset(seed=0)
    env.step(3)
    assert env.render() is None
    env.close()
    env.close()


def test_video(synthetic_pack, tmp_path):
    env = gym.make(ROUND, pack=synthetic_pack, render_mode="rgb_array")
    env = RecordVideo(env, str(tmp_path / "videos"), disable_logger=True)
    env.reset(seed=0)
    over = False
    while not over:
        _, _, over, _, _ = env.step(3)
    env.close()
    assert [path.suffix for path in (tmp_path / "videos").iterdir()] == [".mp4"]


def test_modes_are_checked(synthetic_pack):
    with pytest.raises(
        OptionError, match="unknown render_mode 'text'; known: ansi, human, rgb_array"
    ):
        HolderAllocationEnv(pack=synthetic_pack, render_mode="text")
    env = gym.make(HOLDER, pack=synthetic_pack)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="no render_mode"):
        env.unwrapped.render()
