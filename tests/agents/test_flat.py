"""Flat learners: they learn something on a small market, repeat, and survive a file."""

from pathlib import Path

import numpy as np
import pytest
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import play, play_joint
from copyright_gym.agents.flat import FLAT, load_network, train_flat
from copyright_gym.errors import PolicyError


@pytest.mark.parametrize("algorithm", FLAT)
def test_repeats_and_survives_a_file(algorithm: str, synthetic_pack: str, tmp_path: Path) -> None:
    config = tiny_config(synthetic_pack, sigma=0.25, holders=2, rounds=2)
    first, second = (train_flat(algorithm, config, seed=1, steps=1200) for _ in range(2))
    assert first.data() == second.data()
    path = tmp_path / "flat.npz"
    path.write_bytes(first.data())
    loaded = load_network(path)
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


def test_bad_input(tmp_path: Path, synthetic_pack: str) -> None:
    with pytest.raises(PolicyError, match="unknown flat learner 'a2c'"):
        train_flat("a2c", tiny_config(synthetic_pack), seed=0, steps=1)
    with pytest.raises(PolicyError, match="no file of a flat policy"):
        load_network(tmp_path / "none.npz")
