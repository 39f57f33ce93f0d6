"""Flat learners: they learn something on a small market, repeat, and survive a file."""

from pathlib import Path

import numpy as np
import pytest
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import play, play_joint
from copyright_gym.agents.flat import FLAT, load_network, train_flat
from copyright_gym.agents.sb3_vec_env import SB3VecEnv
from copyright_gym.errors import OptionError, PolicyError


@pytest.mark.parametrize("algorithm", FLAT)
def test_repeats_and_survives_a_file(algorithm: str, synthetic_pack: str, tmp_path: Path) -> None:
    config = tiny_config(synthetic_pack, sigma=0.25, holders=2, rounds=2)
    first, second = (train_flat(algorithm, config, seed=1, steps=1200) for _ in range(2))
    assert first.data() == second.data()
    path = tmp_path / "flat.npz"
    path.write_bytes(first.data())
    loaded = load_network(path)
    assert loaded.settings == first.settings
    assert loaded.settings["markets"] == 16
    play_one = (
        (lambda policy: play(config, "all", policy, range(9)))
        if algorithm == "dqn"
        else (lambda policy: play_joint(config, policy, range(9)))
    )
    np.testing.assert_array_equal(play_one(first).offers, play_one(loaded).offers)


def test_dqn_learns_the_tiny_market(tmp_path: Path) -> None:
    config = tiny_config(make_tiny_pack(tmp_path / "tiny"))
    policy = train_flat("dqn", config, seed=0, steps=20_000)
    assert play(config, "all", policy, [0]).quality[0, -1] >= 0.25


@pytest.mark.parametrize(("algorithm", "least"), [("ppo", 128), ("sac", 32), ("dqn", 64)])
def test_no_training_is_longer_than_its_budget(
    algorithm: str, least: int, synthetic_pack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(synthetic_pack, holders=2, rounds=2)
    per_step = 16 if algorithm == "dqn" else 32  # holder decisions of 16 markets
    made = []
    step_wait = SB3VecEnv.step_wait

    def counted(env: SB3VecEnv) -> VecEnvStepReturn:
        made.append(per_step)
        return step_wait(env)

    monkeypatch.setattr(SB3VecEnv, "step_wait", counted)
    with pytest.raises(OptionError, match=f"at least {least}, one rollout, not {least - 1}"):
        train_flat(algorithm, config, seed=0, steps=least - 1)
    assert not made
    train_flat(algorithm, config, seed=0, steps=least)
    assert sum(made) == least


def test_bad_input(tmp_path: Path, synthetic_pack: str) -> None:
    with pytest.raises(PolicyError, match="unknown flat learner 'a2c'"):
        train_flat("a2c", tiny_config(synthetic_pack), seed=0, steps=1)
    old = tmp_path / "old.npz"  # as earlier versions wrote it
    weights = {"0.weight": np.zeros((3, 5)), "0.bias": np.zeros(3)}
    np.savez(old, algorithm=np.array("ppo"), **weights)
    assert load_network(old).settings == {}
    with pytest.raises(PolicyError, match="no file of a flat policy"):
        load_network(tmp_path / "none.npz")
