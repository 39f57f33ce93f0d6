from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from copyright_gym import (
    Market,
    MarketConfig,
    Policy,
    make_policy,
    play,
    play_joint,
    policies,
    policy_names,
    register_policy,
)
from copyright_gym.errors import MissingExtraError, OptionError, PackError, PolicyError
from copyright_gym.heuristics import GreedyHolder, GreedyRound, UniformHolder
from copyright_gym.observations import HOLDER_FEATURES, MARKUPS, ROUND_FEATURES, SHARES
from copyright_gym.policies import as_policy


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(policies, "_registry", dict(policies._registry))


def test_names():
    assert {"uniform", "greedy", "random"} <= set(policy_names("round"))
    assert {"uniform", "greedy", "random"} <= set(policy_names("holder"))
    assert "random" in policy_names("joint")


def test_unknown_names_list_the_known():
    with pytest.raises(PolicyError, match=r"unknown holder policy 'best'; known: .*greedy"):
        make_policy("best", "holder")
    with pytest.raises(PolicyError, match="unknown level 'lower'; known: holder, joint, round"):
        make_policy("greedy", "lower")


@pytest.mark.usefixtures("registry")
def test_own_policies():
    register_policy("mine", "round", GreedyRound)
    register_policy("mine", "holder", "copyright_gym.heuristics:GreedyHolder")
    assert isinstance(make_policy("mine", "round"), GreedyRound)
    assert make_policy("mine", "holder", markup=2.0).wanted == 10
    assert "mine" in policy_names("holder")
    with pytest.raises(PolicyError, match="unknown level"):
        register_policy("mine", "top", GreedyRound)


@pytest.mark.usefixtures("registry")
def test_missing_libraries_say_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "needy_policy.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    register_policy("needy", "round", "needy_policy:Policy")
    with pytest.raises(MissingExtraError, match=r"pip install \"copyright-gym\[agents\]\""):
        make_policy("needy", "round")
    register_policy("gone", "round", "no_such_module:Policy")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        make_policy("gone", "round")


def test_entry_points_of_other_packages(monkeypatch):
    group = policies.ENTRY_POINT_GROUP
    value = "copyright_gym.heuristics:GreedyHolder"
    found = [EntryPoint("holder.auction", value, group)]
    monkeypatch.setattr(policies, "entry_points", lambda group: found)
    assert "auction" in policy_names("holder")
    assert "auction" not in policy_names("round")
    assert isinstance(make_policy("auction", "holder"), GreedyHolder)


@pytest.mark.parametrize("policy", [GreedyHolder(), 3, None, GreedyRound])
def test_wrong_objects(policy):
    with pytest.raises(PolicyError, match="expected a round policy or its name"):
        as_policy(policy, "round")


@pytest.mark.parametrize("level", policies.LEVELS)
def test_policies_follow_the_protocol(level, synthetic_pack):
    config = MarketConfig(pack=synthetic_pack, holders=2, rounds=2, visible_expectations=True)
    for name in policy_names(level):
        try:
            policy = make_policy(name, level, config=config)
        except (MissingExtraError, PackError):  # a learned policy comes with its pack
            continue
        assert isinstance(policy, Policy)
        assert policy.level == level


@pytest.mark.parametrize("names", [("uniform", "greedy"), ("random", "random")])
def test_equal_seeds_give_equal_bits(synthetic_pack, names):
    config = MarketConfig(pack=synthetic_pack, order="random")
    first, second = (play(config, *names, range(20)) for _ in range(2))
    for name, array in vars(first).items():
        np.testing.assert_array_equal(array, getattr(second, name), err_msg=name)
    assert not np.array_equal(first.offers, play(config, *names, range(1, 21)).offers)


def test_joint_random_play(synthetic_pack):
    config = MarketConfig(pack=synthetic_pack)
    first, second = (play_joint(config, "random", range(20)) for _ in range(2))
    np.testing.assert_array_equal(first.quality, second.quality)
    assert (first.quality[:, -1] > 0).all()


@pytest.mark.parametrize(
    ("name", "shares"), [("uniform", [2, 2, 3, 5, 10]), ("greedy", [5, 5, 5, 5, 10])]
)
def test_round_heuristics(synthetic_pack, name, shares):
    episodes = play(MarketConfig(pack=synthetic_pack), name, "uniform", range(50))
    left = episodes.budget - np.cumsum(episodes.payments.sum(axis=2), axis=1)
    left = np.column_stack([np.full(50, episodes.budget), left[:, :-1]])
    np.testing.assert_allclose(episodes.round_budgets, left * SHARES[shares])


def test_uniform_holder_never_offers_more_than_an_even_share(synthetic_pack):
    config = MarketConfig(pack=synthetic_pack, holders=4)
    episodes = play(config, "greedy", "uniform", range(50))
    paid = np.cumsum(episodes.payments, axis=2) - episodes.payments
    even = (episodes.round_budgets[..., None] - paid) / np.arange(4, 0, -1)
    assert (episodes.offers <= even * (1 + 1e-5)).all()
    base = Market(config).tables.base
    next_markup = np.searchsorted(MARKUPS, (1 + 1e-9) * episodes.offers / base, side="right")
    below_top = next_markup < len(MARKUPS)
    higher = MARKUPS[np.minimum(next_markup, 10)] * base
    assert (higher > even * (1 - 1e-5))[below_top].all()


def test_greedy_holder_visits_by_value(synthetic_pack):
    config = MarketConfig(pack=synthetic_pack, sigma=0.0, rounds=1)
    episodes = play(config, "greedy", "greedy", [0])
    tables = Market(config).tables
    order = tables.orders["value"][0]
    bought = episodes.bought[0, 0, order]
    full = np.isclose(episodes.offers[0, 0], MARKUPS[6] * tables.base[0])[order]
    assert 0 < full.sum() < 8
    assert full[: full.sum()].all()
    assert bought[: full.sum()].all()


def test_policies_must_ask_for_a_known_order(synthetic_pack):
    policy = GreedyHolder()
    policy.order = "cheapest"
    with pytest.raises(OptionError, match="unknown order 'cheapest' of a policy; known: index"):
        play(MarketConfig(pack=synthetic_pack), "uniform", policy, [0])


def test_one_market_gets_the_same_answer():
    policy = make_policy("uniform", "round")
    observations = np.zeros((1000, len(ROUND_FEATURES)), np.float32)
    observations[1:, ROUND_FEATURES.index("even_share")] = 1 / np.arange(1, 1000)
    together = policy.act(observations, np.ones((1000, 11), bool))
    mask = np.ones(11, bool)
    assert [policy.act_one(row, mask) for row in observations] == together.tolist()


@pytest.mark.parametrize("policy", [UniformHolder(), GreedyHolder(), GreedyHolder(1.3)])
def test_holder_policies_answer_alike_for_one_market(policy):
    rng = np.random.default_rng(0)
    observations = rng.random((3000, len(HOLDER_FEATURES)), np.float32)
    cost, money = (HOLDER_FEATURES.index(name) for name in ("cost", "round_left"))
    # Shares that reach a markup exactly, and lots without a price.
    observations[:1000, cost] = (
        observations[:1000, money]
        * observations[:1000, HOLDER_FEATURES.index("even_share")]
        / rng.choice(MARKUPS[1:], 1000).astype(np.float32)
    )
    observations[1000:1100, cost] = 0
    masks = np.tri(11, dtype=bool)[rng.integers(0, 11, 3000)]
    together = policy.act(observations, masks)
    assert len(set(together.tolist())) > 5
    alone = [policy.act_one(*both) for both in zip(observations, masks, strict=True)]
    assert alone == together.tolist()
