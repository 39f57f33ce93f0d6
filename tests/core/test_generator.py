from __future__ import annotations

import time
import tracemalloc

import gymnasium as gym
import numpy as np
import pytest

from copyright_gym import Market, MarketConfig, load_pack, play, verify_pack
from copyright_gym.errors import OptionError
from copyright_gym.generator import generate_pack
from copyright_gym.single import SingleMarket


@pytest.fixture(scope="module")
def generated(synthetic_pack, tmp_path_factory):
    """Packs by number of holders."""
    folder = tmp_path_factory.mktemp("generated")
    return {
        holders: str(generate_pack(folder / str(holders), holders=holders, like=synthetic_pack))
        for holders in (2, 1000, 10_000)
    }


def test_moments_are_those_of_the_pack(synthetic_pack, generated):
    old, new = load_pack(synthetic_pack), load_pack(generated[1000])
    for name in ("contribution", "semantic", "perceptual"):
        for moment in (np.mean, np.std):
            assert moment(getattr(new, name)) == pytest.approx(moment(getattr(old, name)), rel=0.1)
    everything = [
        pack.surrogate.quality(np.ones((1, 5, len(pack.holders)), bool)) for pack in (old, new)
    ]
    assert everything[1] == pytest.approx(everything[0], rel=0.2)
    verify_pack(generated[1000])


def test_equal_seeds_give_equal_packs(synthetic_pack, tmp_path):
    options = {"holders": 20, "rounds": 3, "like": synthetic_pack}
    first, second, other = (
        generate_pack(tmp_path / name / "pack", seed=seed, **options)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert (first / "scores.npz").read_bytes() != (other / "scores.npz").read_bytes()


@pytest.mark.parametrize("holders", [2, 1000])
def test_episodes(generated, holders):
    config = MarketConfig(pack=generated[holders])
    episodes = play(config, "uniform", "greedy", [0, 1])
    spent = episodes.payments.sum(axis=(1, 2))
    assert 0 < spent.max() <= episodes.budget * (1 + 1e-12)
    assert episodes.quality[:, -1].max() > 0


def test_the_holder_environment_stays_usable(generated):
    env = gym.make("copyright_gym/HolderAllocation-v0", pack=generated[1000])
    observation, _ = env.reset(seed=0)
    assert observation.shape == (19,)
    over, steps = False, 0
    while not over:
        observation, _, over, _, _ = env.step(steps % 11)
        assert env.observation_space.contains(observation)
        steps += 1
    assert steps == 5000


def test_time_is_linear_in_holders(generated):
    seconds = {}
    for holders in (1000, 10_000):
        market = SingleMarket(MarketConfig(pack=generated[holders], rounds=1))
        market.reset(np.random.default_rng(0))
        market.begin_round(0.5)
        start = time.process_time()
        while market.due:
            market.offer(5)
            market.holder_observation()
        seconds[holders] = time.process_time() - start
    assert seconds[10_000] < 20 * seconds[1000]


def test_memory_is_linear_in_holders(synthetic_pack, tmp_path):
    size = {}
    for holders in (100, 1000):
        folder = generate_pack(tmp_path / str(holders), holders=holders, like=synthetic_pack)
        load_pack(folder)
        tracemalloc.start()
        config = MarketConfig(pack=str(folder))
        markets = SingleMarket(config), Market(config, 1)
        size[holders] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert markets[0].tables is markets[1].tables
    assert size[1000] < 12 * size[100]


@pytest.mark.parametrize(
    ("name", "value"), [("holders", 0), ("holders", 2.0), ("rounds", 0), ("seed", -1)]
)
def test_bad_numbers_are_named(synthetic_pack, tmp_path, name, value):
    with pytest.raises(OptionError, match=name):
        generate_pack(tmp_path / "pack", like=synthetic_pack, **({"holders": 3} | {name: value}))


def test_holders_join_and_leave(synthetic_pack, tmp_path):
    options = {"holders": 400, "like": synthetic_pack, "seed": 3}
    pack = load_pack(generate_pack(tmp_path / "churn", churn=0.3, **options))
    present = pack.works > 0
    assert present[0, :400].all()
    assert not present[0, 400:].any()
    # Once gone, nobody comes back; a newcomer is there from its first round on.
    assert (
        np.abs(np.diff(np.pad(present, ((1, 1), (0, 0))).astype(int), axis=0)).sum(0) <= 2
    ).all()
    stay = present[1:, :400].sum() / present[:-1, :400].sum()
    assert stay == pytest.approx(np.exp(-0.3), abs=0.05)
    assert present.sum(axis=1) == pytest.approx(np.full(5, 400), rel=0.12)
    few = generate_pack(tmp_path / "few", holders=20, like=synthetic_pack, churn=0.3)
    present = load_pack(few).works > 0
    for holder_policy in ("greedy", "uniform", "adaptive", "trak", "shapley"):
        episodes = play(MarketConfig(pack=str(few)), "uniform", holder_policy, [0, 1])
        assert episodes.bought.any()
        assert not episodes.bought[:, ~present].any()
    with pytest.raises(OptionError, match="churn must lie in 0 to 10"):
        generate_pack(tmp_path / "bad", holders=3, like=synthetic_pack, churn=-1.0)
