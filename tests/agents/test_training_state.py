"""A training that was killed ends as one that was not; its log and its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from copyright_gym import cli
from copyright_gym.agents import hierarchical_dqn
from copyright_gym.agents.hierarchical_dqn import HierarchicalDQN
from copyright_gym.agents.learning_curve import WatchedDQN
from copyright_gym.agents.q_policy import QPolicy
from copyright_gym.agents.settings import Settings
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError

SMALL = Settings(markets=8, holder_hidden=(16,), round_hidden=(8,), batch_size=64, kept_episodes=40)
STEPS = 8 * 6 * 30


class KilledError(Exception):
    pass


def _trainer(pack: str, seed: int = 3, **levels: str) -> WatchedDQN:
    config = MarketConfig(pack=pack, rounds=2, holders=3)
    return WatchedDQN(config, seed=seed, settings=SMALL, **levels)


def _weights(trainer: HierarchicalDQN) -> list[torch.Tensor]:
    learned = [policy for policy in trainer.policies() if isinstance(policy, QPolicy)]
    return [tensor for policy in learned for tensor in policy.network.state_dict().values()]


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is written before every batch."""
    monkeypatch.setattr(hierarchical_dqn, "_KEPT_EVERY", -1.0)


def _kill_after(batches: int, patch: pytest.MonkeyPatch) -> None:
    collect, left = hierarchical_dqn.collect, iter(range(batches))

    def collect_or_die(*arguments: object) -> object:
        if next(left, None) is None:
            raise KilledError
        return collect(*arguments)  # type: ignore[arg-type]

    patch.setattr(hierarchical_dqn, "collect", collect_or_die)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("levels", [{}, {"round_policy": "random"}, {"holder_policy": "greedy"}])
def test_a_killed_training_ends_with_the_same_bits(
    synthetic_pack: str, tmp_path: Path, levels: dict[str, str]
) -> None:
    state = tmp_path / "training.safetensors"
    whole = _trainer(synthetic_pack, **levels).learn(STEPS)
    # Killed twice: before the replay buffer is full, and after.
    for batches in (4, 15):
        trainer = _trainer(synthetic_pack, **levels)
        with pytest.MonkeyPatch.context() as patch:
            _kill_after(batches, patch)
            with pytest.raises(KilledError):
                trainer.learn(STEPS, state=state)
    resumed = _trainer(synthetic_pack, **levels)
    with pytest.MonkeyPatch.context() as patch:
        _kill_after(30 - 4 - 15, patch)  # what is done is not done again
        resumed.learn(STEPS, state=state)
    assert resumed.steps == whole.steps == STEPS
    assert resumed.curve == whole.curve
    assert len(whole.curve) == 11
    for a, b in zip(_weights(whole), _weights(resumed), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.usefixtures("hurry")
def test_a_state_of_another_training_or_a_damaged_one_is_refused(
    synthetic_pack: str, tmp_path: Path
) -> None:
    state = tmp_path / "training.safetensors"
    _trainer(synthetic_pack).learn(STEPS, state=state)
    with pytest.raises(OptionError, match="another training: seed, steps differ"):
        _trainer(synthetic_pack, seed=4).learn(2 * STEPS, state=state)
    with pytest.raises(OptionError, match="levels"):
        _trainer(synthetic_pack, holder_policy="greedy").learn(STEPS, state=state)
    under = tmp_path / "under.safetensors"
    _trainer(synthetic_pack, round_policy="uniform").learn(STEPS, state=under)
    with pytest.raises(OptionError, match="levels"):
        _trainer(synthetic_pack, round_policy="greedy").learn(STEPS, state=under)
    for damage in (state.read_bytes()[:-100], b"nonsense"):
        state.write_bytes(damage)
        with pytest.raises(OptionError, match="damaged"):
            _trainer(synthetic_pack).learn(STEPS, state=state)


@pytest.mark.usefixtures("hurry")
def test_the_command_goes_on_and_logs(
    synthetic_pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, log = tmp_path / "policies", tmp_path / "log"
    words = ["train", "hierarchical", "--pack", synthetic_pack, "--steps", "6000"]
    with monkeypatch.context() as patch:
        _kill_after(1, patch)
        with pytest.raises(KilledError):
            cli.main([*words, "--out", str(out), "--tensorboard", str(log)])
    assert [path.name for path in out.iterdir()] == ["training.safetensors"]
    assert cli.main([*words, "--out", str(out), "--tensorboard", str(log)]) == 0
    assert {path.name for path in out.iterdir()} == {"round.safetensors", "holder.safetensors"}
    events = EventAccumulator(str(log))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"quality", "watched quality", "round/loss", "holder/loss"} <= tags
    assert all(0 < event.value < 1 for event in events.Scalars("quality"))
