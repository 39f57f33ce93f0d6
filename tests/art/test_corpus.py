import itertools
from pathlib import Path
from typing import Any

import pytest

from copyright_gym.art import finetune
from copyright_gym.art.corpus import (
    Run,
    RunStore,
    corpus_runs,
    play_run,
    signal_coalitions,
    signal_runs,
    small_runs,
)
from copyright_gym.art.finetune import RoundTraining
from copyright_gym.art.studio import Studio


def test_signal_runs_cover_empty_singles_and_all() -> None:
    coalitions = signal_coalitions(8)
    assert len(coalitions) == len(set(coalitions)) >= 12
    assert {(), tuple(range(8)), *((i,) for i in range(8))} <= set(coalitions)
    runs = signal_runs(8, 5)
    assert len({run.name for run in runs}) == len(runs) == 3 * (len(coalitions) + 1)


def test_a_longer_corpus_begins_with_the_shorter_and_repeats_a_tenth() -> None:
    runs = corpus_runs(8, 5, 60, seed=0)
    assert runs[:20] == corpus_runs(8, 5, 20, seed=0)
    assert len({run.name for run in runs}) == 60
    histories = [run.history for run in runs]
    assert len(histories) - len(set(histories)) >= 6
    bought = [sum(map(len, history)) for history in histories]
    assert min(bought) <= 4
    assert max(bought) >= 30


def test_small_runs_are_of_one_to_three_holders() -> None:
    runs = small_runs(8, 5, 40, seed=0)
    assert runs[:20] == small_runs(8, 5, 20, seed=0)
    assert len({run.name for run in runs}) == 40
    assert len({run.history for run in runs}) <= 36
    sizes = {len(set().union(*run.history)) for run in runs}
    assert sizes == {1, 2, 3}


class KilledError(Exception):
    """Stands in for a process that dies."""


def test_a_killed_run_goes_on_in_its_round_and_ends_the_same(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(((0,), (0, 1)), seed=1)
    whole = play_run(studio, run, RunStore(tmp_path / "whole"))
    store = RunStore(tmp_path / "killed")
    train = Studio.train_round
    trained: list[Any] = []

    def dies_in_second_round(self: Studio, weights: Any, history: Any, *rest: Any) -> Any:
        trained.append(len(history))
        if trained == [1, 2]:
            raise KilledError
        return train(self, weights, history, *rest)

    monkeypatch.setattr(Studio, "train_round", dies_in_second_round)
    with pytest.raises(KilledError):
        play_run(studio, run, store)
    assert store.distances(run) == whole[:1]
    assert play_run(studio, run, store) == whole
    assert trained == [1, 2, 2]
    assert store.finished(run)
    assert [path.suffix for path in store.folder.iterdir()] == [".json"]


def test_a_run_killed_within_a_round_goes_on_from_its_last_stored_step(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(((0, 1),), seed=1)
    whole = play_run(studio, run, RunStore(tmp_path / "whole"))
    store = RunStore(tmp_path / "killed")
    step = RoundTraining.step
    done: list[int] = []

    def dies_at_third_step(self: RoundTraining) -> None:
        if done == [0, 1]:
            done.append(-1)
            raise KilledError
        done.append(self.done)
        step(self)

    monkeypatch.setattr(RoundTraining, "step", dies_at_third_step)
    # An hour passes with each look at the clock, so every step is stored.
    monkeypatch.setattr(finetune.time, "monotonic", itertools.count(0, 3600).__next__)
    with pytest.raises(KilledError):
        play_run(studio, run, store)
    assert store.unfinished_path(run, 0).exists()
    assert play_run(studio, run, store) == whole
    assert done[:4] == [0, 1, -1, 2]
    assert [path.suffix for path in store.folder.iterdir()] == [".json"]
