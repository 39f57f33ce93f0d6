"""The live environment on the tiny studio."""

from __future__ import annotations

import errno
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_live
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from copyright_gym.art.corpus import Run, RunStore, play_run
from copyright_gym.art.finetune import FinetuneSettings, RoundTraining
from copyright_gym.art.live import LiveQuality
from copyright_gym.art.studio import Studio
from copyright_gym.art.time_estimate import TimeEstimate
from copyright_gym.errors import CacheError, MissingExtraError, OptionError, PackError
from copyright_gym.pack import load_pack

LIVE = "copyright_gym/LiveRoundBudget-v0"
EVERYTHING = np.ones((1, tiny_live.ROUNDS, tiny_live.HOLDERS), bool)
RUN = Run(((0, 1), (0, 1)), 0)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_live.make_tiny_pack(tmp_path_factory.mktemp("packs") / "tiny"))


@pytest.fixture(autouse=True)
def studio(monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr("copyright_gym.art.live.pack_studio", tiny_live.tiny_pack_studio)
    return tiny_live.tiny_studio()


@pytest.fixture(scope="module")
def played(pack: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds both rounds of buying everything; do not change it."""
    folder = tmp_path_factory.mktemp("played")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("copyright_gym.art.live.pack_studio", tiny_live.tiny_pack_studio)
        model = LiveQuality(load_pack(pack), folder, progress=False)
        for t in range(tiny_live.ROUNDS):
            model.quality(EVERYTHING * (np.arange(tiny_live.ROUNDS) <= t)[:, None])
    return folder


def quiet(pack: str, folder: Path) -> LiveQuality:
    return LiveQuality(load_pack(pack), folder, progress=False)


def fail(*arguments: object, **named: object) -> Any:
    raise AssertionError("a finished round was worked on again")


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_checkers_find_nothing(pack: str, tmp_path: Path) -> None:
    env = gym.make(LIVE, pack=pack, cache=str(tmp_path), progress=False)
    assert env.spec is not None
    assert env.spec.nondeterministic
    check_env(env.unwrapped)
    check_env_sb3(env.unwrapped)


def test_rewards_are_what_the_builder_measures(
    pack: str, studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"pack": pack, "cache": str(tmp_path / "cache"), "rho": 5.0}
    env = gym.make(LIVE, **options)
    env.reset(seed=1)
    results = [env.step(5), env.step(10)]
    bought = np.array(env.unwrapped.market.bought).reshape(tiny_live.ROUNDS, tiny_live.HOLDERS)
    assert bought.any(axis=1).all()
    run = Run(tuple(tuple(np.flatnonzero(row).tolist()) for row in bought), 0)
    distances = play_run(studio, run, RunStore(tmp_path / "runs"))
    expected = 1 - np.array(distances) / load_pack(pack).quality.base_distance
    assert [info["quality"] for *_, info in results] == expected.tolist()
    assert [result[1] for result in results] == pytest.approx(np.diff(expected, prepend=0.0))
    assert results[1][2]

    monkeypatch.setattr("copyright_gym.art.live.pack_studio", fail)
    again = gym.make(LIVE, **options)
    again.reset(seed=1)
    assert [again.step(action)[1] for action in (5, 10)] == [result[1] for result in results]
    copy = pickle.loads(pickle.dumps(again.unwrapped))
    copy.reset(seed=1)
    assert copy.step(5)[1] == results[0][1]


def test_the_market_is_that_of_round_budget(
    pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        LiveQuality, "quality", lambda self, bought: self.pack.surrogate.quality(bought)
    )
    options = {"pack": pack, "rho": 0.7, "kappa": 0.2, "reveal": True}
    live = gym.make(LIVE, cache=str(tmp_path), **options)
    fast = gym.make("copyright_gym/RoundBudget-v0", **options)
    for seed in range(5):
        seen = live.reset(seed=seed), fast.reset(seed=seed)
        np.testing.assert_array_equal(seen[0][0], seen[1][0])
        for action in (4, 10):
            first, second = live.step(action), fast.step(action)
            np.testing.assert_allclose(first[0], second[0], atol=1e-6)
            assert first[1] == pytest.approx(second[1], abs=1e-12)
            assert first[2] == second[2]


def test_a_killed_round_goes_on_and_ends_with_the_same_bits(
    pack: str, played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = [sys.executable, tiny_live.__file__, pack, str(tmp_path)]
    assert subprocess.run(victim, check=False).returncode == -9
    model = quiet(pack, tmp_path)
    assert model.cache.unfinished_path(RUN).exists()
    assert model.cache.distance(RUN) is None
    steps: list[int] = []
    step = RoundTraining.step
    monkeypatch.setattr(
        RoundTraining, "step", lambda self: (steps.append(self.done), step(self))[1]
    )
    assert model.quality(EVERYTHING) == quiet(pack, played).quality(EVERYTHING)
    assert steps[0] == 2  # the first round and two steps of the second were kept
    expected = quiet(pack, played).cache.weights(RUN)
    found = model.cache.weights(RUN)
    assert expected is not None
    assert found is not None
    assert all((found[name] == expected[name]).all() for name in expected)
    # The first round was trained but not asked for, so it has no distance; no step is left over.
    assert len(files(tmp_path)) == 2 * tiny_live.ROUNDS


def test_a_round_that_another_process_works_on_is_waited_for(
    pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("copyright_gym.art.live.pack_studio", fail)
    model = quiet(pack, tmp_path)
    other, held = quiet(pack, tmp_path), threading.Event()

    def measure_elsewhere() -> None:
        with other.cache.alone_on(RUN):
            held.set()
            threading.Event().wait(0.3)
            other.cache.save_distance(RUN, 0.25 * model.base_distance)

    thread = threading.Thread(target=measure_elsewhere)
    thread.start()
    held.wait()
    assert model.quality(EVERYTHING) == 0.75
    thread.join()
    assert "waiting for the process" in capsys.readouterr().err
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_damaged_rounds_are_made_again(
    suffix: str, pack: str, played: Path, tmp_path: Path
) -> None:
    cache = quiet(pack, tmp_path).cache
    for path in quiet(pack, played).cache.folder.iterdir():
        data = path.read_bytes()
        if path.suffix == suffix:
            data = data[: len(data) // 2]
        if path.name != f"{RUN.name}.json":
            (cache.folder / path.name).write_bytes(data)
    cache.unfinished_path(RUN).write_bytes(b"half a step")
    with pytest.warns(UserWarning, match="is damaged; it will be made again"):
        again = quiet(pack, tmp_path).quality(EVERYTHING)
    assert again == quiet(pack, played).quality(EVERYTHING)
    assert cache.weights(RUN) is not None


def test_a_record_of_another_round_is_not_believed(pack: str, played: Path, tmp_path: Path) -> None:
    cache = quiet(pack, tmp_path).cache
    stored = quiet(pack, played).cache.folder / f"{RUN.name}.json"
    other = Run(RUN.history, seed=1)
    (cache.folder / f"{other.name}.json").write_bytes(stored.read_bytes())
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.distance(other) is None


def test_the_estimate_comes_once_and_first_and_changes_nothing(
    pack: str, played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = LiveQuality(load_pack(pack), tmp_path)
    assert model.quality(EVERYTHING) == quiet(pack, played).quality(EVERYTHING)
    first = capsys.readouterr().err
    assert first.index("a round takes") < first.index("fine-tuned and measured round 2")
    assert str(tmp_path) in first
    assert "fine-tuning: " in first
    model.quality(EVERYTHING[:, :1])
    second = capsys.readouterr().err
    assert "fine-tuned and measured round 1" in second
    assert "a round takes" not in second


def test_estimates_add_up() -> None:
    settings = FinetuneSettings(epochs=2, batch=16, base_share=0.25)
    estimate = TimeEstimate(0.5, 10.0, settings, ((6, 12), (24, 0)))
    assert estimate.round(6) == 0.5 * 1 + 10  # 12 works at 12 new ones a step
    assert estimate.round(0) == 0
    assert estimate.longest == (0.5 * 3 + 10) + (0.5 * 4 + 10)
    assert estimate.history(((1,), ())) == 0.5 * 2 + 10
    assert str(estimate) == (
        "a round takes 10.5 s (one lot) to 12.0 s (all lots) on this machine, an episode at most "
        "23.5 s"
    )


def test_many_at_once_share_the_cache(pack: str, tmp_path: Path) -> None:
    envs = gym.make_vec(LIVE, 2, pack=pack, cache=str(tmp_path), progress=False, rho=5.0)
    assert isinstance(envs, SyncVectorEnv)
    envs.reset(seed=0)
    _, rewards, _, _, infos = envs.step(np.array([10, 10]))
    assert rewards.tolist() == infos["quality"].tolist()
    assert rewards[0] == rewards[1] != 0
    assert len(files(tmp_path)) == 2


def test_clear_errors(
    pack: str, synthetic_pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PackError, match="pack 'synthetic' has no base model"):
        gym.make(LIVE, pack=synthetic_pack, cache=str(tmp_path))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match=r"file.* cannot be written to .*option `cache`"):
        gym.make(LIVE, pack=pack, cache=str(tmp_path / "file"))
    with pytest.raises(OptionError, match="takes no option quality"):
        gym.make(LIVE, pack=pack, quality="surrogate")
    with pytest.raises(OptionError, match="cache must be a path as a string"):
        gym.make(LIVE, pack=pack, cache=3)
    with pytest.raises(OptionError, match="training_seed must be an integer"):
        gym.make(LIVE, pack=pack, training_seed=-1)
    with pytest.raises(OptionError, match="unknown option foo"):
        gym.make(LIVE, pack=pack, foo=1)
    for name in ("live", "round_cache"):
        monkeypatch.delitem(sys.modules, f"copyright_gym.art.{name}")
        monkeypatch.delattr(f"copyright_gym.art.{name}")
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(MissingExtraError, match=r'pip install "copyright-gym\[art\]"'):
        gym.make(LIVE, pack=pack, cache=str(tmp_path))


def test_a_full_disk_loses_no_finished_round(
    pack: str, played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = quiet(pack, played)
    first = EVERYTHING * np.array([[1], [0]], bool)
    model = quiet(pack, tmp_path)
    assert model.quality(first) == expected.quality(first)

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("copyright_gym.art.round_cache.save_tensors", full)
        with pytest.raises(CacheError, match=r"No space left on device.*make room"):
            model.quality(EVERYTHING)
    assert len(files(tmp_path)) == 2
    assert model.quality(EVERYTHING) == expected.quality(EVERYTHING)


def test_the_default_cache_is_the_users(
    pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPYRIGHT_GYM_CACHE", str(tmp_path))
    env = gym.make(LIVE, pack=pack)
    folder = env.unwrapped.market.quality_model.cache.folder
    assert folder.parent == tmp_path / "live"
    assert folder.name.startswith("tiny-")
