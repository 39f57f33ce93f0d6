"""The command line: exit codes, one-line errors, the advice for a missing extra."""

import subprocess
import sys
from pathlib import Path

import pytest

from copyright_gym.agents.q_policy import load_q_policy
from copyright_gym.cli import main


def last_error(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["nonsense"], ["demo", "--episodes", "0"], ["demo", "--seed", "x"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
    assert "must be an integer of at least 0: 'x'" in capsys.readouterr().err


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n    {name} " in text for name in ("demo", "train", "bench", "packs", "validate"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo", "--pack", "nonsense"], "unknown pack 'nonsense'"),
        (["packs", "verify", "nonsense"], "embedded packs:"),
        (["bench", "run", "--policies", "uniform", "--out", "x"], "ROUND+HOLDER"),
        (
            ["bench", "run", "--policies", "a+b", "--out", "x"],
            "unknown round policy 'a'; known: all",
        ),
        (["bench", "report", "none.parquet"], "none.parquet is no folder"),
    ],
)
def test_errors_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    error = last_error(capsys)
    assert error.startswith("copyright-gym: error: ")
    assert message in error


def test_files_that_cannot_be_written(
    synthetic_pack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = str(tmp_path / "file" / "rows.parquet")
    words = ["bench", "run", "--pack", synthetic_pack, "--episodes", "1", "--out", out]
    assert main([*words, "--policies", "uniform+uniform"]) == 1
    assert "file" in last_error(capsys)


def test_a_reader_that_wants_no_more() -> None:
    code = "import sys; from copyright_gym.cli import main; sys.exit(main(['packs', 'list']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_another_broken_pipe_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise BrokenPipeError("a worker's pipe")

    monkeypatch.setattr("copyright_gym.cli.pack_names", broken)
    assert main(["packs", "list"]) == 1
    assert "a worker's pipe" in last_error(capsys)


def test_missing_extra(
    synthetic_pack: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [m for m in sys.modules if m.startswith("copyright_gym.benchmarks")]:
        monkeypatch.delitem(sys.modules, name)
    # A module that is imported anew also replaces its parent's attribute.
    monkeypatch.delattr("copyright_gym.benchmarks", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = ["--out", "x"]
    assert main(["bench", "run", "--pack", synthetic_pack, "--policies", "a+b", *out]) == 1
    error = last_error(capsys)
    assert "'pyarrow'" in error
    assert 'pip install "copyright-gym[agents]"' in error


def test_packs(own_pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["packs", "list"]) == 0
    assert main(["packs", "verify", str(own_pack)]) == 0
    capsys.readouterr()
    card = own_pack / "card.md"
    card.write_bytes(bytes([card.read_bytes()[0] ^ 1]) + card.read_bytes()[1:])
    assert main(["packs", "verify", str(own_pack)]) == 1
    assert "card.md" in last_error(capsys)


def test_train_then_bench_then_report(
    synthetic_pack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["train", "hierarchical", "--pack", synthetic_pack, "--steps", "3000"]
    assert main([*train, "--seed", "4", "--out", str(tmp_path)]) == 0
    card = load_q_policy(tmp_path / "holder.safetensors").card
    assert card.provenance["command"] == (
        "copyright-gym train hierarchical --pack synthetic --seed 4 --steps 3000"
    )
    pair = f"mine={tmp_path / 'round.safetensors'}+{tmp_path / 'holder.safetensors'}"
    out = str(tmp_path / "bench")
    run = ["bench", "run", "--packs", synthetic_pack, "--out", out, "--episodes", "5"]
    assert main([*run, "--policies", "uniform+uniform", "oracle", pair]) == 0
    capsys.readouterr()
    assert main(["bench", "report", out, "--reference", "mine"]) == 0
    assert "| uniform+uniform |" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "bench").iterdir()}
    assert {"report.md", "report.csv", "report.tex", "quality.png", "profiles.png"} <= names
