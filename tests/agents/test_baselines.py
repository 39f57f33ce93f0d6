"""The eight baselines: each plays, and each error says what to do."""

from pathlib import Path

import pytest

from copyright_gym.agents import baselines
from copyright_gym.agents.baselines import (
    BASELINES,
    TRAINED_BASELINES,
    make_pair,
    pair_halves,
    split_name,
)
from copyright_gym.agents.q_policy import QPolicy, load_q_policy
from copyright_gym.agents.training import conditions_of
from copyright_gym.config import MarketConfig
from copyright_gym.errors import PolicyError
from copyright_gym.pack import pack_names
from copyright_gym.policies import make_policy
from copyright_gym.rollout import play


def test_there_are_eight() -> None:
    halves = ("uniform", "greedy", "learned")
    assert set(BASELINES) == {f"{a}+{b}" for a in halves for b in halves} - {"learned+learned"}


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_plays(name: str, synthetic_pack: str, brief_weights: Path) -> None:
    pair = make_pair(name, synthetic_pack)
    config = MarketConfig(pack=synthetic_pack)
    episodes = play(config, pair.round_policy, pair.holder_policy, range(10))
    assert (episodes.payments.sum(axis=(1, 2)) <= episodes.budget * (1 + 1e-12)).all()
    assert episodes.bought.any()
    assert pair.training_steps == (3 * 64 * 40 if "learned" in name else 0)


@pytest.mark.parametrize("name", TRAINED_BASELINES)
def test_learned_halves_are_in_the_registry(
    name: str, synthetic_pack: str, brief_weights: Path
) -> None:
    level = "round" if name.startswith("learned") else "holder"
    policy = make_policy(name, level, config=MarketConfig(pack=synthetic_pack))
    assert isinstance(policy, QPolicy)
    assert policy.level == level
    assert policy.card.provenance["command"].startswith("copyright-gym train baselines --pack")


def test_policy_files_can_be_halves(synthetic_pack: str, brief_weights: Path) -> None:
    file = brief_weights / "uniform-learned.safetensors"
    pair = make_pair(f"random+{file}", synthetic_pack)
    assert isinstance(pair.holder_policy, QPolicy)
    assert pair.name == "random+uniform-learned"
    assert make_pair(f"mine=random+{file}", synthetic_pack).name == "mine"
    with pytest.raises(PolicyError, match="is a holder policy"):
        make_pair(f"{file}+random", synthetic_pack)


def test_paths_may_hold_a_plus() -> None:
    file = "runs/uniform+learned/holder.safetensors"
    assert pair_halves(f"uniform+{file}") == ["uniform", file]
    assert pair_halves(f"mine={file}+greedy") == [file, "greedy"]
    assert pair_halves(f"{file}+{file}") == [file, file]
    file = "runs/seed=1/holder.safetensors"
    assert pair_halves(f"uniform+{file}") == ["uniform", file]
    assert pair_halves(f"{file}+greedy") == [file, "greedy"]
    assert split_name(f"mine=uniform+{file}") == ("mine", f"uniform+{file}")
    assert split_name(f"{file}+greedy") == ("", f"{file}+greedy")
    assert split_name("=uniform+greedy") == ("", "=uniform+greedy")
    assert pair_halves("uniform") == pair_halves("uniform+") == pair_halves("+uniform") == []


def test_errors_name_the_remedy(
    own_pack: Path, synthetic_pack: str, brief_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PolicyError, match=r"ROUND\+HOLDER"):
        make_pair("uniform")
    with pytest.raises(PolicyError, match="train hierarchical"):
        make_pair("learned+learned")
    with pytest.raises(PolicyError, match=r"known: all, greedy, .*uniform"):
        make_pair("nonsense+uniform")
    with pytest.raises(PolicyError, match=r"known: greedy\+learned, "):
        baselines.load_learned_half("random+learned", synthetic_pack)
    monkeypatch.setattr(baselines, "pack_fingerprint", lambda pack: "changed")
    with pytest.raises(PolicyError, match="another version of the pack"):
        make_pair("uniform+learned", synthetic_pack)
    monkeypatch.setattr(baselines, "weights_file", lambda name, pack: own_pack / "none")
    with pytest.raises(PolicyError, match="copyright-gym train baselines --pack"):
        make_pair("uniform+learned", synthetic_pack)


@pytest.mark.parametrize("pack", pack_names())
def test_shipped_weights_fit_their_pack(pack: str) -> None:
    steps = set()
    for name in TRAINED_BASELINES:
        provenance = load_q_policy(baselines.weights_file(name, pack)).card.provenance
        assert provenance["pack"] == pack
        fixed = {key: value for key, value in conditions_of(name).items() if "." in key}
        assert provenance.get("fixed", {}) == fixed
        steps.add(make_pair(name, pack).training_steps)
    assert len(steps) == 1
