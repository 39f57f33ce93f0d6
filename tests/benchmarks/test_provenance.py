"""The commit in rows is the code's own, and never that of a project around it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from copyright_gym.benchmarks import provenance
from copyright_gym.benchmarks.provenance import code_commit


def git(folder: Path, *words: str) -> str:
    name = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *name, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(name="code")
def installed_in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code's file in the `.venv` of a project that has a commit."""
    code = tmp_path / ".venv" / "copyright_gym" / "benchmarks" / "provenance.py"
    code.parent.mkdir(parents=True)
    code.write_text("")
    monkeypatch.setattr(provenance, "__file__", str(code))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "a project")
    return code


def test_the_commit_of_a_project_around_the_code_is_none(code: Path) -> None:
    assert code_commit() == "unknown"


def test_the_commit_of_a_repository_that_has_the_code(code: Path, tmp_path: Path) -> None:
    git(tmp_path, "add", str(code))
    git(tmp_path, "commit", "--quiet", "--message", "the code")
    assert code_commit() == git(tmp_path, "rev-parse", "HEAD")
    code.write_text("changed")
    assert code_commit() == git(tmp_path, "rev-parse", "HEAD") + "+"


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code_commit() == "unknown"
