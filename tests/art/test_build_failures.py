"""A full disk and killed workers: named in the report, and nothing is lost."""

import errno
import functools
import json
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, cast

import pytest
from dying_worker import MortalStudio
from safetensors import SafetensorError

from copyright_gym.art import corpus, tensor_files, unbroken_runs
from copyright_gym.art.build_report import BuildReport, reported
from copyright_gym.art.corpus import Run, RunStore, play_run
from copyright_gym.art.unbroken_runs import finish_runs
from copyright_gym.errors import BuildError, OptionError

RUNS = [Run(((0,),), 1), Run(((0,), (1,)), 2)]


@pytest.fixture
def report(tmp_path: Path) -> BuildReport:
    return BuildReport(tmp_path / "work")


def stored(report: BuildReport) -> Any:
    return json.loads(report.path.read_text(encoding="utf-8"))


def alone(folder: Path, run: Run) -> list[float]:
    """What a run gives when nothing fails."""
    return play_run(MortalStudio(), run, RunStore(folder))  # type: ignore[arg-type]


def test_new_workers_take_over_from_a_killed_one(tmp_path: Path, report: BuildReport) -> None:
    make: Any = functools.partial(MortalStudio, tmp_path / "flag")
    finish_runs(make, RUNS, tmp_path / "runs", workers=1, report=report)
    assert [(finding.what, finding.done) for finding in report.findings] == [
        ("killed worker", "continued")
    ]
    assert report.findings[0].detail == "1 of 2 histories were unfinished"
    store = RunStore(tmp_path / "runs")
    for run in RUNS:
        assert store.distances(run) == alone(tmp_path / "alone", run)
    assert {path.suffix for path in store.folder.iterdir()} == {".json"}


def test_workers_that_die_again_and_again_end_the_build(
    tmp_path: Path, report: BuildReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def die(make: Any, runs: list[Run], folder: Path, workers: int) -> Iterator[Run]:
        calls.append(workers)
        if len(calls) == 2:  # a round is finished: that counts as progress
            RunStore(folder).save_distances(runs[0], [1.0])
            yield runs[0]
        raise BrokenProcessPool

    monkeypatch.setattr(unbroken_runs, "play_runs", die)
    make: Any = MortalStudio
    with (
        pytest.raises(BuildError, match=r"killed 3 times .*give the same command"),
        reported(report),
    ):
        finish_runs(make, RUNS, tmp_path / "runs", workers=2, report=report)
    assert len(calls) == 5
    findings = stored(report)["findings"]
    assert [finding["done"] for finding in findings] == ["continued"] * 4 + ["refused"]
    assert RunStore(tmp_path / "runs").distances(RUNS[0]) == [1.0]


def in_process(make: Any, runs: list[Run], folder: Path, workers: int) -> Iterator[Run]:
    """Stands in for `play_runs`; patches reach what it does."""
    studio = make()
    for run in runs:
        play_run(studio, run, RunStore(folder))
        yield run


@pytest.mark.parametrize("file", ["record", "weights"])
def test_a_full_disk_is_named_and_the_build_goes_on_later(
    file: str,
    tmp_path: Path,
    report: BuildReport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, make = tmp_path / "runs", cast("Any", MortalStudio)
    write_bytes = Path.write_bytes

    def half(path: Path, data: bytes) -> int:
        if path.parent == folder and len(list(folder.glob("*.json"))) == 1:
            write_bytes(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_bytes(path, data)

    def no_space(tensors: Any, path: Path, facts: Any) -> None:
        write_bytes(path, b"half")
        raise SafetensorError(
            f"Error while serializing: I/O error: No space left on device (os error {errno.ENOSPC})"
        )

    monkeypatch.setattr(unbroken_runs, "play_runs", in_process)
    with monkeypatch.context() as patch:
        if file == "record":
            patch.setattr(Path, "write_bytes", half)
        else:
            patch.setattr(tensor_files, "save_file", no_space)
        with pytest.raises(BuildError, match=r"disk is full.*free space"), reported(report):
            finish_runs(make, RUNS, folder, workers=1, report=report)
    (finding,) = stored(report)["findings"]
    assert (finding["what"], finding["done"]) == ("full disk", "refused")
    assert str(folder) in finding["where"]
    assert [path for path in folder.iterdir() if "part" in path.name] == []
    store = RunStore(folder)
    assert store.finished(RUNS[0])
    assert not store.finished(RUNS[1])
    finish_runs(make, RUNS, folder, workers=1, report=report)
    assert store.distances(RUNS[1]) == alone(tmp_path / "alone", RUNS[1])


def test_a_report_that_cannot_be_written_is_printed(
    report: BuildReport, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BuildError, match="disk is full"), reported(report):
        corpus.write_whole(report.path.with_name("x"), "x")
    printed = capsys.readouterr().err
    assert "build report could not be written" in printed
    assert "full disk, refused: 1" in printed
    assert list(report.path.parent.iterdir()) == []


def test_other_errors_pass_through_and_stand_in_the_report(report: BuildReport) -> None:
    with pytest.raises(FileNotFoundError), reported(report):
        Path("no/such/file").read_bytes()
    assert stored(report)["outcome"].startswith("stopped: [Errno 2]")
    with pytest.raises(OptionError), reported(report):
        raise OptionError("too small")
    assert stored(report)["outcome"] == "refused: too small"
