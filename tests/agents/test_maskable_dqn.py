"""MaskableDQN on a tiny masked chain that can be solved by hand."""

import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, TimeLimit
from numpy.typing import NDArray
from sb3_contrib.common.maskable.evaluation import evaluate_policy
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy as unmasked_evaluate_policy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from copyright_gym.agents.final_mask import FinalMask
from copyright_gym.agents.maskable_dqn import MaskableDQN
from copyright_gym.agents.replay import MaskableReplayBuffer, MaskedSamples

# Reward of each action in each of the three states; None is illegal. Action 0 ends the episode
# at once, the others go to the next state. Best from the start: 2, then 1, then 0: 0 + 0.1 + 1.
REWARDS: list[list[float | None]] = [[0.3, None, 0.0], [0.2, 0.1, None], [1.0, 0.5, None]]


class Chain(gym.Env[NDArray[np.float32], int]):
    """Three states in a row; raises on an illegal action."""

    observation_space = spaces.Box(0.0, 1.0, (3,), np.float32)
    action_space = spaces.Discrete(3)

    def _observation(self) -> NDArray[np.float32]:
        return np.eye(3, dtype=np.float32)[min(self.state, 2)]

    def action_masks(self) -> NDArray[np.bool_]:
        return np.array([reward is not None for reward in REWARDS[min(self.state, 2)]])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.state = 0
        return self._observation(), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        reward = REWARDS[self.state][int(action)]
        assert reward is not None, f"illegal action {action} in state {self.state}"
        self.state += 1
        done = int(action) == 0 or self.state == 3
        return self._observation(), reward, done, False, {}


class Told(gym.ObservationWrapper[dict[str, Any], int, NDArray[np.float32]]):
    """The chain with its observation in a dictionary."""

    def __init__(self) -> None:
        super().__init__(Chain())
        self.observation_space = spaces.Dict({"state": Chain.observation_space})

    def observation(self, observation: NDArray[np.float32]) -> dict[str, Any]:
        return {"state": observation}


def make_model(seed: int = 0, n_envs: int = 4, **kwargs: Any) -> MaskableDQN:
    options: dict[str, Any] = {
        "learning_rate": 3e-3,
        "gamma": 1.0,
        "learning_starts": 64,
        "batch_size": 64,
        "train_freq": 1,
        "buffer_size": 4000,
        "target_update_interval": 100,
        "exploration_fraction": 0.5,
        "policy_kwargs": {"net_arch": [16]},
        "device": "cpu",
    }
    env = make_vec_env(Chain, n_envs=n_envs)
    return MaskableDQN("MlpPolicy", env, seed=seed, **{**options, **kwargs})


@pytest.mark.parametrize("double_q", [True, False])
def test_learns_the_optimal_policy_and_values(double_q: bool) -> None:
    model = make_model(double_q=double_q).learn(4000)
    masks = np.array([[r is not None for r in row] for row in REWARDS])
    actions, _ = model.predict(np.eye(3, dtype=np.float32), deterministic=True, action_masks=masks)
    assert actions.tolist() == [2, 1, 0]
    values = model.q_net(torch.eye(3)).detach().numpy()
    best = values[np.arange(3), actions]
    np.testing.assert_allclose(best, [1.1, 1.1, 1.0], atol=0.05)


def test_same_seed_gives_identical_weights() -> None:
    first, second = (make_model(seed=7).learn(600) for _ in range(2))
    for name, weights in first.q_net.state_dict().items():
        assert torch.equal(weights, second.q_net.state_dict()[name]), name
    other = make_model(seed=8).learn(600).q_net.state_dict()
    assert any(not torch.equal(w, other[name]) for name, w in first.q_net.state_dict().items())


def test_training_does_not_depend_on_the_global_numpy_state() -> None:
    first = make_model(seed=3)
    np.random.seed(1)  # noqa: NPY002  # the point of the test
    first.learn(400)
    second = make_model(seed=3)
    np.random.seed(2)  # noqa: NPY002
    second.learn(400)
    for name, weights in first.q_net.state_dict().items():
        assert torch.equal(weights, second.q_net.state_dict()[name]), name


def test_the_target_network_follows_by_hand() -> None:
    model = make_model(policy_kwargs={"net_arch": []})
    online, target = model.q_net.q_net[0], model.q_net_target.q_net[0]
    with torch.no_grad():
        online.bias.fill_(1.0)
        target.bias.fill_(5.0)
    model.mix_target(0.25)
    assert target.bias.tolist() == [4.0, 4.0, 4.0]
    assert online.bias.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("double_q", "expected"), [(True, [4.5, 1.0]), (False, [5.5, 1.0])])
def test_target_by_hand(double_q: bool, expected: list[float]) -> None:
    model = make_model(double_q=double_q, gamma=0.5, policy_kwargs={"net_arch": []})
    online, target = model.q_net.q_net[0], model.q_net_target.q_net[0]
    with torch.no_grad():
        online.weight.zero_()
        online.bias.copy_(torch.tensor([1.0, 2.0, 9.0]))  # prefers 2, then 1
        target.weight.zero_()
        target.bias.copy_(torch.tensor([9.0, 7.0, 100.0]))  # prefers 2, then 0
    batch = MaskedSamples(
        observations=torch.zeros(2, 3),
        actions=torch.zeros(2, 1, dtype=torch.int64),
        next_observations=torch.zeros(2, 3),
        dones=torch.tensor([[0.0], [1.0]]),
        rewards=torch.tensor([[1.0], [1.0]]),
        next_masks=torch.tensor([[True, True, False], [False, False, False]]),
    )
    assert model.td_target(batch).squeeze(1).tolist() == expected


def test_exploration_takes_every_legal_action_and_no_other() -> None:
    model = make_model()
    masks = np.tile([True, False, True], (500, 1))
    actions = model.act(np.zeros((500, 3), dtype=np.float32), masks, epsilon=1.0)
    assert set(actions.tolist()) == {0, 2}
    assert 150 < (actions == 0).sum() < 350


def test_masks_reach_the_buffer() -> None:
    model = make_model(learning_starts=200).learn(200)
    buffer = model.replay_buffer
    states = buffer.next_observations[:40].argmax(axis=2)
    legal = np.array([[r is not None for r in row] for row in REWARDS])
    running = buffer.dones[:40] == 0
    assert running.any()
    np.testing.assert_array_equal(buffer.next_masks[:40][running], legal[states[running]])


def test_truncated_step_keeps_its_own_mask() -> None:
    model = make_model(n_envs=1)
    model._setup_learn(1)
    info: dict[str, Any] = {
        "TimeLimit.truncated": True,
        "terminal_observation": np.eye(3, dtype=np.float32)[1],
        "action_mask": np.array([1, 1, 0], dtype=np.int8),
    }
    step = (np.array([2]), np.eye(3, dtype=np.float32)[:1], np.zeros(1), np.array([True]))
    model._store_transition(model.replay_buffer, *step, [info])
    assert model.replay_buffer.next_masks[0, 0].tolist() == [True, True, False]
    assert model.replay_buffer.sample(1).dones.item() == 0.0
    del info["action_mask"]
    with pytest.raises(ValueError, match="action_mask"):
        model._store_transition(model.replay_buffer, *step, [info])


def test_predict_shapes_and_errors() -> None:
    model = make_model()
    single, _ = model.predict(np.eye(3, dtype=np.float32)[0], deterministic=True)
    assert single.shape == ()
    only = np.array([False, True, False])
    action, _ = model.predict(np.eye(3, dtype=np.float32)[0], action_masks=only)
    assert int(action) == 1
    with pytest.raises(ValueError, match="shape"):
        model.predict(np.eye(3, dtype=np.float32), action_masks=only)
    with pytest.raises(ValueError, match="legal"):
        model.predict(np.eye(3, dtype=np.float32)[0], action_masks=np.zeros(3, dtype=bool))


def test_bad_options_and_environments() -> None:
    with pytest.raises(ValueError, match="n_steps"):
        make_model(n_steps=3)
    with pytest.raises(ValueError, match="Discrete"):
        MaskableReplayBuffer(10, Chain.observation_space, Chain.observation_space)
    with pytest.raises(ValueError, match=r"arrays, not Dict.*FlattenObservation"):
        MaskableDQN("MultiInputPolicy", Told(), device="cpu", buffer_size=10)
    flat = FlattenObservation(Told())
    MaskableDQN("MlpPolicy", flat, device="cpu", buffer_size=10, learning_starts=5).learn(10)
    plain = MaskableDQN("MlpPolicy", "CartPole-v1", device="cpu", buffer_size=10)
    with pytest.raises(ValueError, match="action_masks"):
        plain.learn(10)


def test_time_limits_are_looked_through() -> None:
    # Cut off after two steps, an episode ends in the third state, where 0 and 1 are legal.
    model = MaskableDQN(
        "MlpPolicy",
        TimeLimit(Chain(), 2),
        seed=0,
        device="cpu",
        buffer_size=100,
        learning_starts=200,
    ).learn(90)
    buffer = model.replay_buffer
    cut = buffer.timeouts[:90, 0] == 1
    assert cut.any()
    np.testing.assert_array_equal(buffer.next_observations[:90, 0][cut].argmax(axis=1), 2)
    assert np.unique(buffer.next_masks[:90, 0][cut], axis=0).tolist() == [[True, True, False]]


def test_time_limits_inside_a_vec_env_need_the_final_mask() -> None:
    def limited() -> gym.Env[Any, Any]:
        return TimeLimit(Chain(), 1)

    def model(env: Any) -> MaskableDQN:
        return MaskableDQN("MlpPolicy", env, seed=0, device="cpu", buffer_size=100)

    with pytest.raises(ValueError, match="wrapper_class=FinalMask"):
        model(make_vec_env(limited, n_envs=2)).learn(20)
    masked = model(make_vec_env(limited, n_envs=2, wrapper_class=FinalMask)).learn(20)
    # From the first state one gets to the second, with any legal action but 0.
    first = masked.replay_buffer
    cut = first.timeouts[:10].astype(np.bool_)
    assert (first.next_masks[:10][cut] == [True, True, False]).all()


def test_evaluation_with_masks() -> None:
    # The chain raises on an illegal action. Untrained, so that something illegal looks best.
    model = make_model(seed=2)
    with torch.no_grad():
        model.q_net.q_net[-1].bias.copy_(torch.tensor([0.0, 50.0, 100.0]))
    with pytest.raises(AssertionError, match="illegal action 2 in state 1"):
        unmasked_evaluate_policy(model, Chain(), n_eval_episodes=1, warn=False)
    mean, _ = evaluate_policy(model, Chain(), n_eval_episodes=2, warn=False)
    assert mean == pytest.approx(0.0 + 0.1 + 0.5)  # the highest legal action: 2, then 1, then 1


def test_save_and_load_keeps_the_policy(tmp_path: Path) -> None:
    model = make_model(seed=1).learn(200)
    model.save(tmp_path / "model.zip")
    loaded = MaskableDQN.load(tmp_path / "model.zip", device="cpu")
    observations = np.random.default_rng(0).random((50, 3), dtype=np.float32)
    before, _ = model.predict(observations, deterministic=True)
    after, _ = loaded.predict(observations, deterministic=True)
    np.testing.assert_array_equal(before, after)
    with zipfile.ZipFile(tmp_path / "model.zip") as file:
        assert not {"_online", "_behind", "q_net"} & set(json.loads(file.read("data")))


def test_learning_goes_on_after_loading(tmp_path: Path) -> None:
    model = make_model(seed=1).learn(800)
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "buffer.pkl")

    def resumed() -> MaskableDQN:
        loaded = MaskableDQN.load(tmp_path / "model.zip", make_vec_env(Chain, 4), device="cpu")
        loaded.load_replay_buffer(tmp_path / "buffer.pkl")
        assert loaded.replay_buffer.size() == model.replay_buffer.size()
        return loaded.learn(1600, reset_num_timesteps=False)

    first, second = resumed(), resumed()
    assert first.num_timesteps == 2400
    assert first._n_updates > model._n_updates
    for name, weights in first.q_net.state_dict().items():
        assert torch.equal(weights, second.q_net.state_dict()[name]), name
        assert not torch.equal(weights, model.q_net.state_dict()[name]), name
    # The optimiser and the target move the networks that play.
    values = first.q_net(torch.eye(3)).detach().numpy()
    np.testing.assert_allclose(values[[0, 1, 2], [2, 1, 0]], [1.1, 1.1, 1.0], atol=0.1)


def test_training_shows_in_tensorboard(tmp_path: Path) -> None:
    make_model(tensorboard_log=str(tmp_path)).learn(400)
    events = EventAccumulator(str(tmp_path / "DQN_1"))
    events.Reload()
    assert {"train/loss", "train/learning_rate", "rollout/ep_rew_mean"} <= set(
        events.Tags()["scalars"]
    )
    assert all(event.value >= 0 for event in events.Scalars("train/loss"))
