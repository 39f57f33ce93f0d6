"""Progress: a bar on a terminal, lines in a log."""

import io
import time

import pytest

from copyright_gym.benchmarks.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_for_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress(total=5, there=1) as progress:
        assert capsys.readouterr().err == ""
        for name, seconds in (("a", 30.0), ("b", 10.0)):
            now[0] += seconds
            progress.done(name)
    # 3 left at 30 s, 2 left at a mean of 20 s
    assert capsys.readouterr().err.splitlines() == [
        "cell 2 of 5, 01:30 left: a",
        "cell 3 of 5, 00:40 left: b",
    ]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress(total=5, there=1) as progress:
        progress.done("a")
    last = terminal.getvalue().rstrip("\n").split("\r")[-1]
    assert "2/5" in last
    assert "a]" in last
    assert terminal.getvalue().count("\n") == 1
