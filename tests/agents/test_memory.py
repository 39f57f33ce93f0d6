"""What a holder policy remembers agrees with what the market knows of the round before."""

import numpy as np
import torch

from copyright_gym import MarketConfig
from copyright_gym.agents.memory import Memory, memory_for, remembered
from copyright_gym.agents.q_policy import PolicyCard, QPolicy, ValueNetwork, load_q_policy
from copyright_gym.market import Market
from copyright_gym.observations import HOLDER_FEATURES, holder_features
from copyright_gym.policies import is_stateless


def test_memory_agrees_with_the_market(synthetic_pack: str) -> None:
    n, rng = 40, np.random.default_rng(0)
    market = Market(MarketConfig(pack=synthetic_pack, rho=0.4), n)
    market.reset([np.random.default_rng(i) for i in range(n)])
    rounds, holders = market.tables.rounds, market.tables.holders
    memory = Memory(holders)
    memory.reset(n)
    for t in range(rounds):
        market.begin_round(rng.uniform(0.1, 0.6, n), "value", market.running)
        known = market.seen.copy()  # float32 (H, 3, n), from the rounds before
        visited: list[np.ndarray] = []
        for _ in range(holders):
            observation = market.holder_observation()
            recalled = memory.recall(observation)[:, observation.shape[1] :]
            kept = recalled.reshape(n, 4, holders)
            running = market.running
            for row in np.flatnonzero(running):
                of = np.array([order[row] for order in visited], np.int64)
                # Those visited in this round: as known before it, and sold if bought in it.
                assert (kept[row, 3, of] == market.bought[row, t, of]).all()
                np.testing.assert_allclose(kept[row, 0, of], known[of, 0, row] / rounds, atol=1e-6)
                np.testing.assert_array_equal(kept[row, 1, of], known[of, 1, row])
                np.testing.assert_array_equal(kept[row, 2, of], known[of, 2, row])
            index = observation[:, HOLDER_FEATURES.index("holder")] * (holders - 1)
            visited.append(np.rint(index).astype(np.int64))
            market.offer(rng.integers(0, 11, n), running)
        market.end_round(market.running)


def test_a_policy_with_memory_is_not_stateless_and_survives_its_file(tmp_path) -> None:
    features = holder_features(False) + remembered(3)
    card = PolicyCard("holder", None, features, {}, (8,), False, 11)
    torch.manual_seed(0)
    policy = QPolicy(card, ValueNetwork(card).layers.state_dict())
    assert not is_stateless(policy)
    loaded = load_q_policy(policy.save(tmp_path / "policy.safetensors"))
    rng = np.random.default_rng(0)
    for each in (policy, loaded):
        each.reset(20, rng)
    for _ in range(6):
        observation = rng.random((20, len(HOLDER_FEATURES)), dtype=np.float32)
        mask = np.ones((20, 11), np.bool_)
        actions = policy.act(observation, mask)
        np.testing.assert_array_equal(actions, loaded.act(observation, mask))


def test_no_memory_without_its_columns() -> None:
    assert memory_for(holder_features(False)) is None
    assert memory_for(holder_features(False) + remembered(3)).width == 12
