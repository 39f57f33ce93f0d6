"""Runs on a local Ray cluster of two nodes."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster
from tiny_studio import make_studio
from toy_studio import ToyStudio, make_broken_studio, make_mortal_studio

from copyright_gym.art import ray_workers
from copyright_gym.art.corpus import Run, RunStore, play_run
from copyright_gym.art.ray_workers import RayWorkers
from copyright_gym.art.studio import Studio
from copyright_gym.errors import BuildError, OptionError

RUNS = [Run(((0,), (1,)), 1), Run(((1,), ()), 2), Run(((0, 1),), 3), Run(((1,), (0,)), 4)]
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of a cluster of two nodes with one core each, in folders that vanish with it."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="r") as folder:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")  # on a busy machine they would starve
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("PYTHONPATH", str(TESTS))
        head = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=1, num_gpus=0)
        yield cluster.address
        cluster.shutdown()


def test_a_cluster_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(BuildError, match="no Ray cluster answers at 'auto'"):
        list(RayWorkers().play(ToyStudio, RUNS, tmp_path / "runs"))
    with pytest.raises(OptionError, match="at least 1 worker"):
        RayWorkers(count=0)


def _lives(folder: Path, count: int) -> Path:
    folder.mkdir()
    for life in range(count):
        (folder / str(life)).touch()
    return folder


def _records(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _serial(studio: Any, folder: Path) -> dict[str, bytes]:
    for run in RUNS:
        play_run(studio, run, RunStore(folder))
    return _records(folder)


def test_a_killed_worker_changes_nothing(address: str, studio: Studio, tmp_path: Path) -> None:
    lives = _lives(tmp_path / "lives", 1)
    make = functools.partial(make_mortal_studio, make_studio, lives)
    notices: list[str] = []
    done = list(RayWorkers(address).play(make, RUNS, tmp_path / "runs", notices.append))
    assert not list(lives.iterdir())
    assert len(notices) == 1
    assert sorted(run.name for run in done) == sorted(run.name for run in RUNS)
    assert _records(tmp_path / "runs") == _serial(studio, tmp_path / "serial")
    assert list(RayWorkers("nowhere").play(make, RUNS, tmp_path / "runs")) == []


def test_records_return_from_nodes_that_do_not_share_the_folder(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_workers, "_leave_mark", lambda folder: tmp_path / "elsewhere" / "mark")
    make = functools.partial(make_mortal_studio, ToyStudio, _lives(tmp_path / "lives", 2))
    notices: list[str] = []
    playing = RayWorkers(address, count=1).play(make, RUNS, tmp_path / "runs", notices.append)
    for count, _ in enumerate(playing, 1):
        assert len(_records(tmp_path / "runs")) == count
    assert len(notices) == 2
    assert not (tmp_path / "elsewhere").exists()
    assert _records(tmp_path / "runs") == _serial(ToyStudio(), tmp_path / "serial")


def test_a_history_that_keeps_killing_workers_ends_the_build(address: str, tmp_path: Path) -> None:
    make = functools.partial(make_mortal_studio, ToyStudio, _lives(tmp_path / "lives", 99))
    notices: list[str] = []
    with pytest.raises(BuildError, match=f"killed 3 times .*playing history {RUNS[0].name}"):
        list(RayWorkers(address, 1).play(make, RUNS[:1], tmp_path / "runs", notices.append))
    assert len(notices) == 2
    assert RunStore(tmp_path / "runs").distances(RUNS[0]) == [
        play_run(ToyStudio(), RUNS[0], RunStore(tmp_path / "serial"))[0]
    ]


def test_what_is_wrong_with_a_worker_is_told(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="no base model here"):
        list(RayWorkers(address, 1).play(make_broken_studio, RUNS, tmp_path))
    monkeypatch.setattr(ray_workers, "installed_versions", lambda: {"torch": "0.1"})
    with pytest.raises(BuildError, match=r"this machine \{'torch': '0.1'\}"):
        list(RayWorkers(address, 1).play(ToyStudio, RUNS, tmp_path))
    assert list(tmp_path.iterdir()) == []
