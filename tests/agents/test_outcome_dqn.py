"""OutcomeDQN: formula and loss by hand, and a problem of chance with a known answer."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from copyright_gym.agents.outcome_dqn import OutcomeDQN
from copyright_gym.agents.outcome_values import OutcomeValues
from copyright_gym.agents.replay import MaskedSamples

ACTIONS = 3


def make_model() -> OutcomeDQN:
    return OutcomeDQN.from_spaces(
        spaces.Box(0.0, 1.0, (2,)),
        spaces.Discrete(ACTIONS),
        n_envs=1,
        seed=0,
        gamma=1.0,
        learning_rate=1e-2,
        double_q=False,
        buffer_size=6000,
        policy_kwargs={"net_arch": [16]},
        device="cpu",
    )


def layers(model: OutcomeDQN) -> OutcomeValues:
    found = model.q_net.q_net
    assert isinstance(found, OutcomeValues)
    return found


def test_a_value_is_the_mean_over_the_answers() -> None:
    torch.manual_seed(0)
    network = OutcomeValues(4, (5,), ACTIONS)
    inputs = torch.randn(7, 4)
    logits, values = (part.detach().numpy() for part in network.parts(inputs))
    got = network(inputs).detach().numpy()
    for row in range(7):
        assert got[row, 0] == values[row, 0], "no offer cannot be accepted"
        for action in (1, 2):
            chance = 1 / (1 + np.exp(-logits[row, action]))
            mean = chance * values[row, ACTIONS + action] + (1 - chance) * values[row, action]
            assert got[row, action] == pytest.approx(mean, abs=1e-6)


def test_loss_by_hand() -> None:
    model = make_model()
    batch = MaskedSamples(
        observations=torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]),
        actions=torch.tensor([[0], [1], [ACTIONS + 2]]),  # no offer, refused, accepted
        next_observations=torch.zeros(3, 2),
        dones=torch.ones(3, 1),
        rewards=torch.tensor([[0.5], [3.0], [-0.2]]),
        next_masks=torch.ones(3, ACTIONS, dtype=torch.bool),
    )
    logits, values = (x.detach().numpy() for x in layers(model).parts(batch.observations))
    errors = np.array([values[0, 0] - 0.5, values[1, 1] - 3.0, values[2, ACTIONS + 2] + 0.2])
    huber = np.where(abs(errors) < 1, errors**2 / 2, abs(errors) - 0.5).mean()
    chances = 1 / (1 + np.exp(-np.array([logits[1, 1], logits[2, 2]])))
    surprise = -(np.log(1 - chances[0]) + np.log(chances[1])) / 3
    assert model.gradient_loss(batch).item() == pytest.approx(huber + surprise, abs=1e-6)


def test_the_target_looks_ahead_with_the_mean_over_the_answers() -> None:
    model = make_model()
    following = torch.tensor([[0.7, 0.1]])
    batch = MaskedSamples(
        observations=torch.zeros(1, 2),
        actions=torch.tensor([[1]]),
        next_observations=following,
        dones=torch.zeros(1, 1),
        rewards=torch.tensor([[0.25]]),
        next_masks=torch.tensor([[True, False, True]]),
    )
    values = model.q_net_target(following)[0].tolist()
    assert model.td_target(batch).item() == pytest.approx(0.25 + max(values[0], values[2]))


def test_learns_chances_and_values_of_a_seller_with_two_prices() -> None:
    # Worth 1 to the buyer. Price 0.2 is accepted with probability 0.3, price 0.6 with 0.9; not
    # buying costs 0.1. So Q = [-0.1, 0.3 * 0.8 - 0.7 * 0.1, 0.9 * 0.4 - 0.1 * 0.1].
    model, rng, m = make_model(), np.random.default_rng(0), 6000
    actions = rng.integers(ACTIONS, size=m)
    accepted = rng.random(m) < np.array([0.0, 0.3, 0.9])[actions]
    rewards = np.where(accepted, 1 - np.array([0.0, 0.2, 0.6])[actions], -0.1)
    states = np.zeros((m, 2), np.float32)
    model.replay_buffer.add_batch(
        states,
        states,
        actions + ACTIONS * accepted,
        rewards,
        np.ones(m),
        np.ones((m, ACTIONS), np.bool_),
    )
    for _ in range(600):
        model.gradient_step(model.replay_buffer.sample(256))
    logits, values = (part[0].detach().numpy() for part in layers(model).parts(torch.zeros(1, 2)))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[1:])), [0.3, 0.9], atol=0.04)
    np.testing.assert_allclose(values[[0, 1, 2, 4, 5]], [-0.1, -0.1, -0.1, 0.8, 0.4], atol=0.02)
    expected = [-0.1, 0.17, 0.35]
    np.testing.assert_allclose(model.q_net(torch.zeros(1, 2))[0].tolist(), expected, atol=0.04)


def test_refuses_an_environment() -> None:
    with pytest.raises(NotImplementedError, match="use MaskableDQN"):
        make_model().learn(10)
