"""Policy files: the same actions after loading, no pickle, clear errors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from copyright_gym.agents.bins import Bins
from copyright_gym.agents.q_policy import PolicyCard, QPolicy, ValueNetwork, load_q_policy
from copyright_gym.errors import PolicyError

CARD = PolicyCard(
    level="holder",
    order="value",
    features=("round", "holder", "cost"),
    bins={"round": 3, "holder": 4},
    hidden=(8, 8),
    outcomes=False,
    actions=5,
    provenance={"seed": 3},
)


def make_policy(card: PolicyCard = CARD) -> QPolicy:
    torch.manual_seed(0)
    return QPolicy(card, ValueNetwork(card).layers.state_dict())


@pytest.mark.parametrize("outcomes", [False, True])
def test_round_trip_gives_identical_actions(outcomes: bool, tmp_path: Path) -> None:
    policy = make_policy(replace(CARD, outcomes=outcomes))
    loaded = load_q_policy(policy.save(tmp_path / "new" / "policy.safetensors"))
    rng = np.random.default_rng(0)
    observation = rng.random((300, 3), dtype=np.float32)
    mask = rng.random((300, 5)) < 0.5
    mask[:, 0] = True
    actions = loaded.act(observation, mask)
    np.testing.assert_array_equal(actions, policy.act(observation, mask))
    assert mask[np.arange(300), actions].all()
    assert actions.dtype == np.int64
    assert loaded.card == policy.card
    assert len(set(actions.tolist())) > 1


def test_equal_policies_give_equal_bytes_without_pickle(tmp_path: Path) -> None:
    first = make_policy().save(tmp_path / "a.safetensors").read_bytes()
    second = make_policy().save(tmp_path / "b.safetensors").read_bytes()
    assert first == second
    header = json.loads(first[8 : 8 + int.from_bytes(first[:8], "little")])
    tensors = sum(
        end - start
        for start, end in (
            entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"
        )
    )
    # Header and tensors are all there is: no room for anything that could be executed.
    assert len(first) == 8 + int.from_bytes(first[:8], "little") + tensors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no policy file"):
        load_q_policy(tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(make_policy().save(tmp_path / "ok.safetensors").read_bytes()[:100])
    with pytest.raises(PolicyError, match="damaged"):
        load_q_policy(broken)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    with pytest.raises(PolicyError, match="not a policy file"):
        load_q_policy(foreign)
    newer = tmp_path / "newer.safetensors"
    save_file({"w": torch.zeros(2)}, newer, metadata={"card": '{"schema_version": 99}'})
    with pytest.raises(PolicyError, match="upgrade"):
        load_q_policy(newer)


def test_weights_and_observations_must_fit() -> None:
    policy = make_policy()
    with pytest.raises(PolicyError, match="do not fit"):
        QPolicy(replace(CARD, hidden=(8,)), policy.network.layers.state_dict())
    with pytest.raises(PolicyError, match="trained on 3 columns"):
        policy.act(np.zeros((1, 4), np.float32), np.ones((1, 5), np.bool_))


def test_bins_by_hand() -> None:
    bins = Bins(("a", "b"), {"b": 3})
    got = bins(torch.tensor([[0.7, 0.5], [0.1, 0.25], [0.0, 1.0]]))
    expected = [[0.7, 0.5, 0, 1, 0], [0.1, 0.25, 0.5, 0.5, 0], [0.0, 1.0, 0, 0, 1]]
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)
    assert bins.width == 5
    assert torch.equal(Bins(("a",), {})(torch.ones(1, 1)), torch.ones(1, 1))
