from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_studio import make_studio
from toy_studio import ToyStudio, make_broken_studio, make_mortal_studio

from copyright_gym.art import workers
from copyright_gym.art.corpus import Run, RunStore, play_run
from copyright_gym.art.studio import Studio
from copyright_gym.art.workers import LocalWorkers
from copyright_gym.errors import BuildError, OptionError

RUNS = [Run(((0,), (1,)), 1), Run(((1,), ()), 2), Run(((0, 1),), 3)]


def test_workers_give_what_one_process_gives(studio: Studio, tmp_path: Path) -> None:
    runs = [Run(((0,),), 1), Run(((1,), ()), 2)]
    done = list(LocalWorkers(2).play(make_studio, runs, tmp_path))
    assert sorted(run.name for run in done) == sorted(run.name for run in runs)
    store, alone = RunStore(tmp_path), RunStore(tmp_path / "alone")
    for run in runs:
        assert store.distances(run) == play_run(studio, run, alone)
    assert store.distances(runs[1])[0] == store.distances(runs[1])[1]
    assert list(LocalWorkers(1).play(make_studio, runs, tmp_path)) == []


def _records(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_killed_process_is_replaced_and_changes_nothing(tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    lives.mkdir()
    (lives / "one").touch()
    make = functools.partial(make_mortal_studio, ToyStudio, lives)
    notices: list[str] = []
    done = list(LocalWorkers(1).play(make, RUNS, tmp_path / "runs", notices.append))
    assert not list(lives.iterdir())
    assert notices == ["3 of 3 histories were unfinished"]
    assert sorted(run.name for run in done) == sorted(run.name for run in RUNS)
    toy: Any = ToyStudio()
    for run in RUNS:
        play_run(toy, run, RunStore(tmp_path / "serial"))
    assert _records(tmp_path / "runs") == _records(tmp_path / "serial")


def test_processes_that_keep_dying_end_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = []

    def die(self: LocalWorkers, make: Any, runs: list[Run], folder: Path) -> Iterator[Run]:
        pools.append(runs)
        if len(pools) == 2:  # a finished round is progress
            RunStore(folder).save_distances(runs[0], [1.0])
        raise BrokenProcessPool
        yield

    monkeypatch.setattr(LocalWorkers, "_play_in_pool", die)
    make: Any = ToyStudio
    with pytest.raises(BuildError, match=r"killed 3 times .*give the same command"):
        list(LocalWorkers(1).play(make, RUNS, tmp_path))
    assert len(pools) == 5
    assert capsys.readouterr().err.count("a worker was killed: 3 of 3") == 4


def test_what_is_wrong_with_a_studio_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no base model here"):
        list(LocalWorkers(1).play(make_broken_studio, RUNS, tmp_path))
    with pytest.raises(OptionError, match="at least 1 worker"):
        LocalWorkers(0)


def test_each_process_takes_the_next_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    started = multiprocessing.get_context("spawn").Value("i", 0)
    make: Any = ToyStudio
    for _ in range(3):
        workers._start_process(make, tmp_path, started)
    monkeypatch.setattr(workers, "_process", None)
    assert taken == [0, 1, 0]
