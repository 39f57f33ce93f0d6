"""`validate live`: fresh histories, the comparison, the command on the tiny studio."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_live

from copyright_gym.art import validate_live
from copyright_gym.art.corpus import History, Run, RunStore, play_run
from copyright_gym.art.fresh_histories import FreshHistory, fresh_histories, known_histories
from copyright_gym.art.live import LiveQuality, trimmed
from copyright_gym.art.studio import Studio
from copyright_gym.art.validate_live import live_report, mean_interval
from copyright_gym.art.workers import LocalWorkers
from copyright_gym.cli import main
from copyright_gym.errors import OptionError, PackError
from copyright_gym.pack import Pack, load_pack

CORPUS: tuple[History, ...] = (((0,),), ((0, 1), (1,)))


def make_pack(folder: Path, error: float) -> Path:
    table = io.BytesIO()
    rows = [{"history": json.dumps(history)} for history in CORPUS]
    pq.write_table(pa.Table.from_pylist(rows), table)
    published = {"form": "made up", "held_out_mean_absolute_error": error}
    files = {"corpus.parquet": table.getvalue(), "surrogate.json": json.dumps(published).encode()}
    return tiny_live.make_tiny_pack(folder, files)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return load_pack(make_pack(tmp_path_factory.mktemp("packs") / "tiny", error=0.01))


def test_fresh_histories_of_the_embedded_pack() -> None:
    portrait = load_pack("portrait")
    fresh = fresh_histories(portrait, 21, seed=0)
    assert [item.kind for item in fresh] == ["random", "visited"] * 10 + ["random"]
    stored = pq.read_table(portrait.folder / "corpus.parquet").to_pylist()
    texts = {row["history"] for row in stored}
    histories = [item.run.history for item in fresh]
    assert texts.isdisjoint(json.dumps(history) for history in histories)
    assert len(set(histories)) == 21
    assert {item.run.seed for item in fresh}.isdisjoint(row["seed"] for row in stored)
    assert fresh_histories(portrait, 20, seed=0) == fresh[:20]
    # The histories whose errors docs/surrogate.md tells.
    digest = hashlib.sha256(json.dumps(histories[:20]).encode()).hexdigest()
    assert digest.startswith("8c5ab9689a12d712")
    other = {item.run.history for item in fresh_histories(portrait, 20, seed=1)}
    assert other.isdisjoint(histories)
    visits = [item.source for item in fresh if item.kind == "visited"]
    assert len({visit["policy"] for visit in visits}) > 2
    assert len({visit["rho"] for visit in visits}) > 2


def test_a_file_of_visits(pack: Pack, tmp_path: Path) -> None:
    path = tmp_path / "visits.json"
    entries = [
        {"history": [[0], []], "policy": "a"},  # trimmed, it is in the corpus
        {"history": [[], [1]], "policy": "b"},
        {"history": [[], [1]], "policy": "c"},
        {"history": [[0], [0, 1]], "policy": "d"},
    ]
    path.write_text(json.dumps(entries))
    found = [item for item in fresh_histories(pack, 4, 0, path) if item.kind == "visited"]
    assert [item.source["policy"] for item in found] == ["b", "d"]
    with pytest.raises(OptionError, match="3 histories that are not in the corpus are needed"):
        fresh_histories(pack, 6, 0, path)
    path.write_text('[{"history": [[2], []]}]')
    with pytest.raises(OptionError, match="of another pack"):
        fresh_histories(pack, 2, 0, path)
    path.write_text("[1]")
    with pytest.raises(OptionError, match="no file of `copyright-gym packs visits`"):
        fresh_histories(pack, 2, 0, path)


def test_a_pack_that_cannot_be_compared_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_live.make_tiny_pack(tmp_path / "bare")
    words = ["validate", "live", "--pack", str(folder), "--out", str(tmp_path / "out")]
    assert main(words) == 1
    assert "publishes no held-out error" in capsys.readouterr().err
    with pytest.raises(PackError, match=r"has no corpus\.parquet"):
        known_histories(load_pack(folder))


def played(pack: Pack, errors: dict[History, tuple[float, ...]]) -> tuple[Any, list[list[float]]]:
    """Histories with distances such that predictions are off by given errors."""
    fresh, distances = [], []
    for index, (history, wrong) in enumerate(errors.items()):
        fresh.append(FreshHistory(Run(history, index), "random", {}))
        row = []
        for t, error in enumerate(wrong):
            bought = np.zeros((1, pack.rounds, len(pack.holders)), bool)
            for s in range(t + 1):
                bought[0, s, list(history[s])] = True
            quality = pack.surrogate.quality(bought)[0] - error
            row.append(pack.quality.base_distance * (1 - quality))
        distances.append(row)
    return fresh, distances


def test_the_report_by_hand(pack: Pack) -> None:
    errors = {
        ((0,), (1,)): (9.0, 0.03),  # its first round is in the corpus
        ((1,), ()): (-0.01, 9.0),  # nothing bought in its second
        ((1,), (0, 1)): (0.02, 0.04),
    }
    report = live_report(pack, *played(pack, errors))
    assert report["rounds_counted"] == 4
    assert report["mean_absolute_error"] == pytest.approx((0.03 + 0.01 + 0.02 + 0.04) / 4)
    assert report["bias"] == pytest.approx((0.03 - 0.01 + 0.02 + 0.04) / 4)
    assert report["largest_absolute_error"] == pytest.approx(0.04)
    counted = [row for run in report["runs"] for row in run["rounds"] if row["counts"]]
    measured = np.array([row["measured"] for row in counted])
    squares = np.square([0.03, 0.01, 0.02, 0.04]).sum()
    assert report["r2"] == pytest.approx(1 - squares / (4 * measured.var()))
    assert report["by_kind"]["random"]["rounds_counted"] == 4
    assert report["published"]["held_out_mean_absolute_error"] == 0.01


@pytest.mark.parametrize(
    ("wrong", "agrees"),
    [((0.009, 0.011), True), ((0.002, 0.05), True), ((0.02, 0.03), False)],
)
def test_the_verdict_allows_for_few_histories(
    wrong: tuple[float, float], agrees: bool, pack: Pack
) -> None:
    errors = {((1,), (i,)): (error, error) for i, error in enumerate(wrong)}
    assert live_report(pack, *played(pack, errors))["agrees"] is agrees
    one = dict(list(errors.items())[:1])
    assert live_report(pack, *played(pack, one))["agrees"] is None


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        # Values of a group share most of their error.
        groups = [rng.normal() + 0.1 * rng.normal(size=rng.integers(1, 6)) for _ in range(20)]
        low, high = mean_interval(groups)
        hits += low < 0 < high
    assert 0.85 <= hits / 200 <= 0.99


def play_here(
    workers: LocalWorkers, make_studio: Callable[[], Studio], runs: Sequence[Run], folder: Path
) -> Iterator[Run]:
    """Do as local workers do, but without processes, which would take long to start."""
    studio = pickle.loads(pickle.dumps(make_studio))()
    for run in runs:
        play_run(studio, run, RunStore(folder))
        yield run


def test_the_command_plays_reports_and_goes_on(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("copyright_gym.art.live.pack_studio", tiny_live.tiny_pack_studio)
    monkeypatch.setattr(validate_live, "pack_studio", tiny_live.tiny_pack_studio)
    monkeypatch.setattr(LocalWorkers, "play", play_here)
    out = tmp_path / "out"
    words = ["validate", "live", "--pack", str(pack.folder), "--histories", "2", "--seed", "3"]
    words += ["--workers", "1", "--out", str(out), "--json"]
    code = main(words)
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert json.loads((out / "report.json").read_text()) == report
    assert "2 histories take about" in captured.err
    assert "2 of 2" in captured.err
    # The made-up surrogate was never fitted to this studio.
    assert code == 1
    assert report["agrees"] is False
    run = report["runs"][1]
    assert run["kind"] == "visited"
    live = LiveQuality(pack, tmp_path / "cache", run["training_seed"], progress=False)
    bought = np.zeros((1, pack.rounds, len(pack.holders)), bool)
    for t, members in enumerate(trimmed(tuple(map(tuple, run["history"])))):
        bought[0, t, members] = True
    assert live.quality(bought)[0] == run["rounds"][-1]["measured"]

    def fail(*arguments: object) -> None:
        raise AssertionError("a finished history was played again")

    monkeypatch.setattr(validate_live, "pack_studio", fail)
    monkeypatch.setattr(validate_live, "pack_estimate", fail)
    assert main(words[:-1]) == 1
    text = capsys.readouterr().out
    assert "agrees                         NO" in text
    assert text.count("\n") > 10
    assert sorted(path.name for path in out.iterdir()) == ["report.json", "runs"]


def test_the_command_can_only_estimate(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("copyright_gym.art.live.pack_studio", tiny_live.tiny_pack_studio)
    words = ["validate", "live", "--pack", str(pack.folder), "--histories", "2", "--estimate"]
    assert main([*words, "--json"]) == 0
    times = json.loads(capsys.readouterr().out)
    assert 0 < times["histories_seconds"] <= 2 * times["longest_episode_seconds"]
    assert main(words) == 0
    assert "2 histories take about" in capsys.readouterr().out
