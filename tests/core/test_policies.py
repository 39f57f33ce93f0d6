from __future__ import annotations

from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_market import make_tiny_pack, tiny_config

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
from copyright_gym.errors import MissingExtraError, OptionError, PolicyError
from copyright_gym.heuristics import (
    GreedyHolder,
    GreedyRound,
    RandomHolder,
    RandomJoint,
    RandomRound,
    UniformHolder,
    highest_legal,
)
from copyright_gym.observations import HOLDER_FEATURES, MARKUPS, ROUND_FEATURES, SHARES
from copyright_gym.policies import as_policy, function_policy


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
    assert make_policy("mine", "holder", markup=2.0).markup == 2.0
    assert "mine" in policy_names("holder")
    with pytest.raises(PolicyError, match="unknown level"):
        register_policy("mine", "top", GreedyRound)


@pytest.mark.usefixtures("registry")
def test_a_plain_function_becomes_a_policy(synthetic_pack):
    asked = []

    @function_policy("holder", order="value")
    def fifth(observation, mask):
        asked.append(observation.shape)
        return highest_legal(mask, np.full(len(mask), 5))

    register_policy("fifth", "holder", fifth)
    config = MarketConfig(pack=synthetic_pack)
    named, given = (play(config, "uniform", which, range(4)) for which in ("fifth", fifth()))
    np.testing.assert_array_equal(named.offers, given.offers)
    assert set(asked) == {(4, len(HOLDER_FEATURES))}
    base = Market(config).tables.base
    assert np.isclose(named.offers, MARKUPS[5] * base).any()
    assert (named.offers <= MARKUPS[5] * base * (1 + 1e-9)).all()
    policy = make_policy("fifth", "holder")
    assert policy.order == "value"
    assert policies.is_stateless(policy)
    with pytest.raises(PolicyError, match="unknown level 'top'"):
        function_policy("top")


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


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (GreedyHolder(), "its level is 'holder'"),
        (3, "it has no act, level, order, reset"),
        (None, "it has no act, level, order, reset"),
        (SimpleNamespace(level="round", reset=id, act=id), "it has no order"),
        (GreedyRound, "it is a class; give an object"),
    ],
)
def test_wrong_objects(policy, fault):
    with pytest.raises(PolicyError, match=f"expected a round policy or its name, .*: {fault}$"):
        as_policy(policy, "round")


@pytest.mark.parametrize("level", policies.LEVELS)
def test_policies_follow_the_protocol(level, synthetic_pack):
    config = MarketConfig(pack=synthetic_pack, holders=2, rounds=2, visible_expectations=True)
    for name in policy_names(level):
        # Learned halves have weights for embedded packs only.
        known = MarketConfig(pack="portrait") if "learned" in name else config
        try:
            policy = make_policy(name, level, config=known)
        except MissingExtraError:
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
    ("name", "shares"), [("uniform", [2, 2, 3, 5, 10]), ("greedy", [9, 9, 9, 9, 10])]
)
def test_round_heuristics(synthetic_pack, name, shares):
    episodes = play(MarketConfig(pack=synthetic_pack), name, "uniform", range(50))
    left = episodes.budget - np.cumsum(episodes.payments.sum(axis=2), axis=1)
    left = np.column_stack([np.full(50, episodes.budget), left[:, :-1]])
    np.testing.assert_allclose(episodes.round_budgets, left * SHARES[shares])


class Recorded:
    """Notes the actions of a holder policy that plays one market."""

    level = "holder"

    def __init__(self, policy):
        self.policy, self.order = policy, policy.order
        self.actions = []

    def reset(self, n, rng):
        self.policy.reset(n, rng)

    def act(self, observation, mask):
        actions = self.policy.act(observation, mask)
        self.actions += actions.tolist()
        return actions


# Lots for 1.5, 0.9 and 0.6, which holders accept exactly; money for 1.65. Markups: 0.5, 0.58, 0.68,
# 0.79, 0.93, 1.08, 1.26, 1.47, 1.71, 2.
@pytest.mark.parametrize(
    ("policy", "actions", "bought"),
    [
        # 1.65 / 3 is 0.37 of 1.5: nothing; 1.65 / 2 is 0.917 of 0.9: 0.79, refused; then 2 * 0.6.
        (UniformHolder(), [0, 4, 10], [False, False, True]),
        # 1.08 * 1.5 is paid. What is left, 0.03, is less than the lowest markup of the others.
        (GreedyHolder(1.0), [6, 1, 1], [True, False, False]),
        # 0.93 is refused by all, and 1.26 * 1.5 is more than there is: capped, 1.65 is paid.
        (GreedyHolder(0.9), [5, 5, 5], [False, False, False]),
        (GreedyHolder(), [7, 0, 0], [True, False, False]),
    ],
)
def test_holder_heuristics_by_hand(tmp_path, policy, actions, bought):
    recorded = Recorded(policy)
    episodes = play(tiny_config(make_tiny_pack(tmp_path / "tiny")), "all", recorded, [0])
    assert recorded.actions == actions
    assert episodes.bought[0, 0].tolist() == bought


class Given:
    """A generator that draws what it is given."""

    def __init__(self, draws):
        self.draws = np.array(draws)

    def random(self, shape):
        assert shape == self.draws.shape
        return self.draws

    def uniform(self, low, high, shape):
        assert shape == self.draws.shape
        return low + (high - low) * self.draws


@pytest.mark.parametrize("policy", [RandomRound(), RandomHolder()])
def test_random_choice_by_hand(policy):
    mask = np.array([[True, True, False], [True, False, False], [True, True, True]])
    policy.reset(3, Given([[0.1, 0.3, 0.9], [0.0, 0.8, 0.9], [0.5, 0.4, 0.2]]))
    assert policy.act(np.zeros((3, 1), np.float32), mask).tolist() == [1, 0, 0]
    policy.reset(3, np.random.default_rng(0))
    many = np.repeat(mask, 3000, axis=0)
    counts = np.bincount(policy.act(np.zeros((9000, 1), np.float32), many), minlength=3)
    # A half and a third of the first and the last 3,000, and all of the second.
    np.testing.assert_allclose(counts, [5500, 2500, 1000], atol=150)


def test_random_joint_by_hand():
    policy = RandomJoint()
    policy.reset(1, Given([[0.0, 0.5, 0.75]]))
    action = policy.act(np.zeros((1, 1), np.float32), np.ones((1, 3), bool))
    assert action.tolist() == [[-1.0, 0.0, 0.5]]
    assert action.dtype == np.float32


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
    full = np.isclose(episodes.offers[0, 0], MARKUPS[7] * tables.base[0])[order]
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
