"""Flat learners: they learn something on a small market, repeat, and survive a file."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import Market, MarketConfig, play, play_joint
from copyright_gym.agents.flat import FLAT, train_flat
from copyright_gym.agents.network_policy import NetworkPolicy, load_network
from copyright_gym.agents.sb3_vec_env import SB3VecEnv
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.observations import MARKUPS


@pytest.mark.parametrize("algorithm", FLAT)
def test_repeats_and_survives_a_file(algorithm: str, synthetic_pack: str, tmp_path: Path) -> None:
    config = tiny_config(synthetic_pack, sigma=0.25, holders=2, rounds=2)
    steps = 400 if algorithm == "sac" else 1200  # it learns slowly, but from 200 on
    first, second = (train_flat(algorithm, config, seed=1, steps=steps) for _ in range(2))
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


def values(config: MarketConfig, network: NetworkPolicy) -> NDArray[np.float32]:
    """Return the values of the actions at the first offer, with all the money at hand."""
    market = Market(config, 1)
    market.reset([np.random.default_rng(0)])
    market.begin_round(np.ones(1))
    x: NDArray[np.float32] = market.holder_observation()[0]
    count = sum(name.endswith(".weight") for name in network.arrays)
    for i in range(count):
        x = network.arrays[f"{i}.weight"] @ (np.maximum(x, 0) if i else x)
        x = x + network.arrays[f"{i}.bias"]
    return x


def test_dqn_learns_the_values_of_all_offers(tmp_path: Path) -> None:
    # One holder whose lot adds 0.30 and costs 1. The budget is 2, and spending it costs 0.5: the
    # offers from 1.08 on are accepted and worth 0.30 - 0.25 * price, of which 0.03 is the most.
    config = tiny_config(make_tiny_pack(tmp_path / "one"), holders=1, rho=2.0, kappa=0.5)
    by_hand = np.where(MARKUPS >= 1, 0.30 - 0.25 * MARKUPS, 0.0)
    untrained, trained = (train_flat("dqn", config, seed=1, steps=n) for n in (64, 4000))
    np.testing.assert_allclose(values(config, trained), by_hand, atol=0.01)
    assert np.abs(values(config, untrained) - by_hand).max() > 0.1
    offers = [play(config, "all", each, [0]).offers[0, 0, 0] for each in (untrained, trained)]
    assert offers == pytest.approx([0.0, MARKUPS[6]])


def test_dqn_learns_to_buy_what_it_can(tmp_path: Path) -> None:
    # Money for all three lots, 0.65. Untrained it buys none of them.
    config = tiny_config(make_tiny_pack(tmp_path / "tiny"), rho=1.3)
    untrained, trained = (
        play(config, "all", train_flat("dqn", config, seed=1, steps=n), [0]) for n in (64, 5000)
    )
    assert not untrained.bought.any()
    assert trained.quality[0, -1] >= 0.55 - 1e-9


@pytest.mark.parametrize("seed", [0, 1])
def test_sac_learns_to_buy_and_not_to_buy(tmp_path: Path, seed: int) -> None:
    # One holder whose lot adds 0.9 and costs 1, and money for 3. At first it offers 0.93, which is
    # refused. If spending the money costs nothing, it must offer more. If it costs 10, it must
    # offer less, since a purchase then costs at least 3.3.
    pack = make_tiny_pack(tmp_path / "one", worth=np.array([0.9, 0.0, 0.0]))
    free = tiny_config(pack, holders=1, rho=3.0)
    dear = tiny_config(pack, holders=1, rho=3.0, kappa=10.0)
    untrained = train_flat("sac", free, seed=seed, steps=16)
    at_first, bought, spared = (
        play_joint(config, policy, [0]).offers[0, 0, 0]
        for config, policy in (
            (free, untrained),
            (free, train_flat("sac", free, seed=seed, steps=250)),
            (dear, train_flat("sac", dear, seed=seed, steps=250)),
        )
    )
    assert spared < at_first < 1 <= bought
    assert at_first == pytest.approx(MARKUPS[5])


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
