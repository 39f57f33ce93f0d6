"""A built pack that lacks something is refused, although all of its checksums fit."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyright_gym import pack_completeness, verify_pack
from copyright_gym.cli import main
from copyright_gym.errors import PackError
from copyright_gym.pack import find_pack
from copyright_gym.pack_files import sha256
from copyright_gym.pack_reports import add_reports


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of a built pack that a test may damage."""
    return Path(shutil.copytree(find_pack("portrait"), tmp_path / "built"))


def seal(pack: Path, **entries: Any) -> None:
    """Make the manifest fit the files that are there, as someone who hides a gap would."""
    path = pack / "manifest.json"
    manifest = json.loads(path.read_text()) | entries
    files = [file for file in pack.rglob("*") if file.is_file() and file != path]
    manifest["files"] = {f.relative_to(pack).as_posix(): sha256(f.read_bytes()) for f in files}
    path.write_text(json.dumps(manifest))


def change_rows(pack: Path, change: Any) -> None:
    rows = pq.read_table(pack / "corpus.parquet").to_pylist()
    pq.write_table(pa.Table.from_pylist(change(rows)), pack / "corpus.parquet")
    seal(pack)


def test_a_complete_pack_passes_and_says_what_was_counted(
    pack: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seal(pack)
    assert main(["packs", "verify", str(pack)]) == 0
    assert "complete" in capsys.readouterr().out
    monkeypatch.setattr("copyright_gym.cli.corpus_is_readable", lambda: False)
    assert main(["packs", "verify", str(pack)]) == 0
    assert "not counted: that needs pyarrow" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["card.md", "corpus.parquet", "signal.json", "surrogate.json", "base/model_index.json"]
)
def test_a_missing_file_is_named(pack: Path, name: str) -> None:
    (pack / name).unlink()
    seal(pack)
    with pytest.raises(PackError, match=f"not complete: {name} is missing"):
        verify_pack(pack)


def test_a_base_that_is_only_named_is_not_missing(pack: Path) -> None:
    shutil.rmtree(pack / "base")
    seal(pack)
    with pytest.raises(PackError, match="base/model_index"):
        verify_pack(pack)
    provenance = json.loads((pack / "manifest.json").read_text())["provenance"]
    seal(pack, provenance=provenance | {"base": {"name": "someone/model", "held": False}})
    verify_pack(pack)


def test_missing_rows_are_named(pack: Path) -> None:
    change_rows(pack, lambda rows: rows[1:])
    with pytest.raises(PackError, match=r"rows, the surrogate.s report counts .*has rounds \[2, 3"):
        verify_pack(pack)


def test_a_missing_entry_is_named(pack: Path) -> None:
    fit = json.loads((pack / "surrogate.json").read_text())
    del fit["rows"]
    (pack / "surrogate.json").write_text(json.dumps(fit))
    seal(pack)
    with pytest.raises(PackError, match=r"not complete: an entry is missing: KeyError\('rows'\)"):
        verify_pack(pack)


def test_a_missing_history_is_named(pack: Path) -> None:
    change_rows(pack, lambda rows: [row for row in rows if row["history"] != "[[3]]"])
    with pytest.raises(PackError, match=r"histories, expected .*lacks the history \[\[3\]\]"):
        verify_pack(pack)


def test_a_visited_history_that_was_not_played_is_named(pack: Path) -> None:
    entries = json.loads((pack / "visited.json").read_text())
    entries.append({**entries[0], "history": [[0, 7], [7], [7], [7], [0]]})
    (pack / "visited.json").write_text(json.dumps(entries))
    seal(pack)
    with pytest.raises(PackError, match=r"lacks the history \[\[0, 7\], \[7\]"):
        verify_pack(pack)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quality": 0.5}, "quality 0.5 doesn't follow"),
        ({"history": "[[8]]"}, r"\[\[8\]\] is not one of 5 rounds and 8 holders"),
    ],
)
def test_rows_that_do_not_fit_are_named(pack: Path, change: Any, message: str) -> None:
    change_rows(pack, lambda rows: [{**rows[0], **change}, *rows[1:]])
    with pytest.raises(PackError, match=message):
        verify_pack(pack)


def test_works_are_counted(pack: Path) -> None:
    manifest = json.loads((pack / "manifest.json").read_text())
    provenance = manifest["provenance"] | {"recipe": "works"}
    seal(pack, provenance=provenance)
    with pytest.raises(PackError, match=r"works\.csv is missing"):
        verify_pack(pack)
    names = [holder["name"] for holder in manifest["holders"]]
    rows = [(name, t) for name in names for t in range(1, 6) for _ in range(32)]
    rows += [(name, 0) for name in names for _ in range(64)]

    def write(kept: list[tuple[str, int]]) -> None:
        buffer = io.StringIO()
        csv.writer(buffer).writerows([("holder", "round"), *kept])
        (pack / "works.csv").write_text(buffer.getvalue())
        seal(pack)

    write(rows)
    verify_pack(pack)
    write(rows[1:])
    with pytest.raises(PackError, match=r"31 of 32 works of 'The Visual Team' in round 1"):
        verify_pack(pack)
    write(rows[:-1])
    with pytest.raises(PackError, match="511 of 512 held-out works"):
        verify_pack(pack)


def test_without_pyarrow_files_are_still_checked(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_completeness, "corpus_is_readable", lambda: False)
    change_rows(pack, lambda rows: rows[1:])
    verify_pack(pack)
    (pack / "card.md").unlink()
    seal(pack)
    with pytest.raises(PackError, match=r"card\.md is missing"):
        verify_pack(pack)


COALITION_ROWS = [
    {"holders": list(members), "seed": seed, "quality": 0.1 * len(members)}
    for size in range(3)
    for members in itertools.combinations(range(8), size)
    for seed in (0, 1)
]


def write_coalitions(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [*rows, rows[0]], "coalition .*, seed 0, twice"),
        (lambda rows: [{**rows[-1], "holders": [8]}], "coalition .8., seed 1, is not one of 8"),
        (lambda rows: [{**rows[-1], "holders": [2, 1]}], "is not one of 8 holders"),
        (lambda rows: [{**rows[-1], "quality": math.nan}], "the quality of .* is nan"),
    ],
)
def test_coalitions_that_do_not_add_up_are_named(pack: Path, change: Any, message: str) -> None:
    write_coalitions(pack / "coalitions.parquet", COALITION_ROWS)
    seal(pack)
    verify_pack(pack)
    write_coalitions(pack / "coalitions.parquet", change(COALITION_ROWS))
    seal(pack)
    with pytest.raises(PackError, match=f"coalitions.parquet.*{message}"):
        verify_pack(pack)


def test_reports_are_added_to_a_pack_that_stays_complete(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seal(pack)
    report = write_coalitions(tmp_path / "coalitions.parquet", COALITION_ROWS)
    assert main(["packs", "add", str(pack), str(report)]) == 0
    assert (pack / report.name).read_bytes() == report.read_bytes()
    verify_pack(pack)

    before = (pack / "manifest.json").read_bytes()
    write_coalitions(report, [*COALITION_ROWS, COALITION_ROWS[0]])
    assert main(["packs", "add", str(pack), str(report)]) == 1
    assert "twice" in capsys.readouterr().err
    other = tmp_path / "notes.txt"
    other.write_text("none")
    assert main(["packs", "add", str(pack), str(other)]) == 1
    assert "is no report; a pack takes" in capsys.readouterr().err
    assert (pack / "manifest.json").read_bytes() == before
    verify_pack(pack)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"pack": "clipart"}', "is a report on pack 'clipart'; add it to that pack, or measure"),
        ('{"pack"', "is damaged: it holds no JSON object"),
        ("[1]", "is damaged: it holds no JSON object"),
    ],
)
def test_reports_on_another_pack_are_refused(
    pack: Path, tmp_path: Path, text: str, message: str
) -> None:
    report = tmp_path / "copyright.json"
    report.write_text(text)
    before = {path: path.read_bytes() for path in pack.rglob("*") if path.is_file()}
    with pytest.raises(PackError, match=message):
        add_reports(pack, [report])
    assert {path: path.read_bytes() for path in pack.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("text", ['{"pack": "portrait"}', "{}"])
def test_reports_on_the_pack_or_on_none_by_name_are_added(
    pack: Path, tmp_path: Path, text: str
) -> None:
    report = tmp_path / "image_text.json"
    report.write_text(text)
    # The manifest tells the pack's name, not the folder.
    assert pack.name != "portrait"
    add_reports(pack, [report])
    assert (pack / report.name).read_text() == text
    verify_pack(pack)
