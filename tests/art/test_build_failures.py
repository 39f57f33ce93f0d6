"""A full disk and killed workers: named in the report, and nothing is lost."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from safetensors import SafetensorError
from toy_studio import ToyStudio

from copyright_gym.art import corpus, tensor_files
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
    return play_run(ToyStudio(), run, RunStore(folder))  # type: ignore[arg-type]


class InProcess:
    """Workers that play in this process, where patches reach them."""

    def play(self, make: Any, runs: Any, folder: Path, notice: Any = None) -> Iterator[Run]:
        studio = make()
        for run in runs:
            play_run(studio, run, RunStore(folder))
            yield run


def test_a_killed_worker_is_in_the_report(tmp_path: Path, report: BuildReport) -> None:
    class Killed(InProcess):
        def play(self, make: Any, runs: Any, folder: Path, notice: Any = None) -> Iterator[Run]:
            notice("2 of 2 histories were unfinished")
            yield from super().play(make, runs, folder)

    make = cast("Any", ToyStudio)
    finish_runs(make, RUNS, tmp_path / "runs", Killed(), report)
    (finding,) = report.findings
    assert (finding.what, finding.done) == ("killed worker", "continued")
    assert finding.detail == "2 of 2 histories were unfinished"
    assert all(RunStore(tmp_path / "runs").finished(run) for run in RUNS)


@pytest.mark.parametrize("file", ["record", "weights"])
def test_a_full_disk_is_named_and_the_build_goes_on_later(
    file: str,
    tmp_path: Path,
    report: BuildReport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, make = tmp_path / "runs", cast("Any", ToyStudio)
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

    with monkeypatch.context() as patch:
        if file == "record":
            patch.setattr(Path, "write_bytes", half)
        else:
            patch.setattr(tensor_files, "save_file", no_space)
        with pytest.raises(BuildError, match=r"disk is full.*free space"), reported(report):
            finish_runs(make, RUNS, folder, InProcess(), report)
    (finding,) = stored(report)["findings"]
    assert (finding["what"], finding["done"]) == ("full disk", "refused")
    assert str(folder) in finding["where"]
    assert [path for path in folder.iterdir() if "part" in path.name] == []
    store = RunStore(folder)
    assert store.finished(RUNS[0])
    assert not store.finished(RUNS[1])
    finish_runs(make, RUNS, folder, InProcess(), report)
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
