import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from works_on_disk import draw, make_folder, write_metadata

from copyright_gym.art.build_report import BuildReport
from copyright_gym.art.chosen_works import Division, load_works
from copyright_gym.art.image_file import UnusableWorkError, square_image
from copyright_gym.art.metadata_csv import add_captions, read_metadata
from copyright_gym.art.works_folder import choose_works
from copyright_gym.errors import OptionError

DIVISION = Division(size=32, rounds=2, lot=2, held_out=33)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "mine", {"ann": 40, "bob": 40})


@pytest.fixture
def report(tmp_path: Path) -> BuildReport:
    return BuildReport(tmp_path / "work")


def found(report: BuildReport) -> list[tuple[str, str, str]]:
    return [(finding.what, finding.where, finding.done) for finding in report.findings]


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_lots_and_held_out_works_are_disjoint_and_the_same_again(
    folder: Path, report: BuildReport
) -> None:
    chosen = choose_works(folder, DIVISION, report)
    assert report.findings == []
    assert chosen == choose_works(folder, DIVISION, report)
    assert chosen != choose_works(folder, replace(DIVISION, seed=1), report)
    assert len({work.file for work in chosen}) == len(chosen) == 2 * 37
    for holder in ("ann", "bob"):
        rounds = [work.round for work in chosen if work.holder == holder]
        assert rounds == [0] * 33 + [1, 1, 2, 2]
    collection = load_works(folder, chosen, DIVISION)
    assert [holder.licence for holder in collection.holders] == [
        "Licence of ann",
        "Licence of bob",
    ]
    assert [holder.creator for holder in collection.holders] == ["Ann", "Bob"]
    assert collection.held_out.images.shape == (66, 32, 32, 3)
    assert [[len(lot) for lot in row] for row in collection.lots] == [[2, 2], [2, 2]]
    first = next(work for work in chosen if (work.holder, work.round) == ("bob", 1))
    assert collection.lots[0][1].captions[0] == first.caption
    expected, framing = square_image((folder / first.file).read_bytes(), 32)
    assert np.array_equal(collection.lots[0][1].images[0], expected)
    assert np.array_equal(collection.lots[0][1].framing[0], framing)


def test_smaller_lots_take_the_first_of_the_same_works(folder: Path, report: BuildReport) -> None:
    few = replace(DIVISION, lot=1)
    chosen = choose_works(folder, few, report)
    assert {work.file for work in chosen} < {
        work.file for work in choose_works(folder, DIVISION, report)
    }


def test_bad_files_are_skipped_and_named(folder: Path, report: BuildReport) -> None:
    (folder / "ann/000.png").write_bytes(b"no image")
    data = (folder / "ann/001.png").read_bytes()
    (folder / "ann/001.png").write_bytes(data[: len(data) // 2])
    draw(folder / "ann/002.png", 2, size=(31, 80))
    (folder / "bob/000.png").write_bytes((folder / "ann/003.png").read_bytes())
    with Image.open(folder / "ann/004.png") as image:
        nearly = np.asarray(image, np.int16) + 3
    Image.fromarray(nearly.clip(0, 255).astype(np.uint8)).save(folder / "bob/001.png")
    draw(folder / "loose.png", 500)
    chosen = choose_works(folder, DIVISION, report)
    assert len(chosen) == 2 * 37
    problems = {finding.where: finding for finding in report.findings}
    assert {where: finding.what for where, finding in problems.items()} == {
        "loose.png": "image of no holder",
        "ann/000.png": "unreadable image",
        "ann/001.png": "unreadable image",
        "ann/002.png": "tiny image",
        "bob/000.png": "duplicate",
        "bob/001.png": "near duplicate",
    }
    assert {finding.done for finding in report.findings} == {"skipped"}
    assert "31 x 80" in problems["ann/002.png"].detail
    assert problems["bob/000.png"].detail == "of ann/003.png by ann, which is kept"
    assert problems["bob/001.png"].detail == "of ann/004.png by ann, which is kept"
    assert not {work.file for work in chosen} & set(problems)


def test_a_small_holder_is_refused_or_dropped(folder: Path, report: BuildReport) -> None:
    draw(folder / "cyd/0.png", 900)
    with pytest.raises(OptionError, match=r"cyd: 0 of 1 works can be used, 37 needed") as refusal:
        choose_works(folder, DIVISION, report)
    assert "1 x missing licence" in str(refusal.value)
    assert "--drop-small-holders" in str(refusal.value)
    assert found(report) == [
        ("missing licence", "cyd/0.png", "skipped"),
        ("too few works", "cyd", "refused"),
    ]
    dropping = replace(DIVISION, drop_small_holders=True)
    report.findings.clear()
    assert {work.holder for work in choose_works(folder, dropping, report)} == {"ann", "bob"}
    assert found(report)[-1] == ("too few works", "cyd", "dropped")


def test_a_dropped_holder_does_not_claim_works(folder: Path, report: BuildReport) -> None:
    names = {work.file for work in choose_works(folder, DIVISION, report)}
    (folder / "aaa").mkdir()
    (folder / "aaa/0.png").write_bytes((folder / "ann/005.png").read_bytes())
    captions = [{"file": "aaa/0.png", "caption": "squares", "license": "CC0"}]
    rows = [dict(row) for row in read_metadata(folder).rows.values()]
    write_metadata(folder, [*rows, *captions])
    dropping = replace(DIVISION, drop_small_holders=True)
    assert {work.file for work in choose_works(folder, dropping, report)} == names


def test_licences_and_captions_are_needed(folder: Path, report: BuildReport) -> None:
    (folder / "metadata.csv").unlink()
    with pytest.raises(OptionError, match=r"40 x missing licence.*\n.*--license") as refusal:
        choose_works(folder, DIVISION, report)
    assert "ann" in str(refusal.value)
    assert "bob" in str(refusal.value)
    with pytest.raises(OptionError, match=r"40 x missing caption.*\n(.*\n)?.*packs captions"):
        choose_works(folder, replace(DIVISION, license="CC0"), report)
    files = [f"{holder}/{index:03}.png" for holder in ("ann", "bob") for index in range(40)]
    add_captions(folder, dict.fromkeys(files, "squares"))
    chosen = choose_works(folder, replace(DIVISION, license="CC0"), report)
    assert {(work.license, work.caption) for work in chosen} == {("CC0", "squares")}


def test_too_few_holders_or_held_out_works(folder: Path, report: BuildReport) -> None:
    with pytest.raises(OptionError, match=r"32 held-out works are 64; .* more than 64"):
        choose_works(folder, replace(DIVISION, held_out=32), report)
    (folder / "bob").rename(folder / ".bob")
    with pytest.raises(OptionError, match="at least 2 holders"):
        choose_works(folder, DIVISION, report)
    with pytest.raises(OptionError, match="no sub-folders"):
        choose_works(folder / "ann", DIVISION, report)
    with pytest.raises(OptionError, match="is no folder"):
        choose_works(folder / "ann/000.png", DIVISION, report)
    with pytest.raises(OptionError, match="lot must be at least 1"):
        replace(DIVISION, lot=0)


def test_a_file_that_changes_during_the_build(folder: Path, report: BuildReport) -> None:
    chosen = choose_works(folder, DIVISION, report)
    draw(folder / chosen[-1].file, 999)
    with pytest.raises(OptionError, match="has changed, or is gone, since it was chosen"):
        load_works(folder, chosen, DIVISION)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line"),
        ("name,caption\n", "one of them 'file'"),
        ("file,file\n", "different columns"),
        ("file,caption\na/0.png,a, comma\n", "line 2, has 3 fields, expected 2"),
        ("file\n../up.png\n", "line 2: '../up.png' is no path below"),
        ("file\n/etc/x.png\n", "no path below"),
        ("file,caption\n,x\n", "no path below"),
        ("file,caption\na/0.png,x\n./a/0.png,y\n", "line 3: 'a/0.png' has a line already"),
        ('file\n"a\n', "is not CSV"),
        (b"file\n\xff\xfe\n", "is not UTF-8"),
    ],
)
def test_bad_metadata_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    data = text.encode() if isinstance(text, str) else text
    (tmp_path / "metadata.csv").write_bytes(data)
    with pytest.raises(OptionError, match=message):
        read_metadata(tmp_path)


def test_odd_metadata_is_named(folder: Path, report: BuildReport) -> None:
    rows = [dict(row) for row in read_metadata(folder).rows.values()]
    write_metadata(folder, [*rows, {"file": "ann/gone.png", "year": "1900"}])
    choose_works(folder, DIVISION, report)
    assert found(report) == [
        ("unknown column", "metadata.csv: year", "continued"),
        ("missing file", "ann/gone.png", "continued"),
    ]


def test_captions_are_added_and_never_replaced(folder: Path) -> None:
    before = read_metadata(folder)
    add_captions(folder, {"ann/000.png": "other", "ann/new.png": 'of "this", and that'})
    after = read_metadata(folder)
    assert after.rows["ann/000.png"] == before.rows["ann/000.png"]
    assert after.value("ann/new.png", "caption") == 'of "this", and that'
    assert after.value("ann/new.png", "license") == "Licence of ann"
    assert len(after.rows) == len(before.rows) + 1
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["metadata.csv"]


def test_images_are_cropped_scaled_and_put_on_white() -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = (200, 10, 60)
    square, framing = square_image(png(Image.fromarray(wide)), 32)
    assert framing == (40, 120, 0, 32)  # 32 x 96 when scaled
    assert square.shape == (32, 32, 3)
    assert square[16, 16].tolist() == [200, 10, 60]
    assert square[:, 2:-2].reshape(-1, 3).min(axis=0).tolist() == [200, 10, 60]
    clear, _ = square_image(png(Image.new("RGBA", (32, 32), (0, 0, 0, 0))), 32)
    assert (clear == 255).all()
    grey, _ = square_image(png(Image.new("L", (32, 32), 70)), 32)
    assert (grey == 70).all()
    with pytest.raises(UnusableWorkError, match="8 bits"):
        square_image(png(Image.fromarray(np.full((32, 32), 700, np.uint16))), 32)


def test_photographs_are_turned_upright() -> None:
    sky = np.zeros((40, 40, 3), np.uint8)
    sky[:20] = 255
    turned = Image.fromarray(np.rot90(sky).copy())  # as a camera held on its side stores it
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    buffer = io.BytesIO()
    turned.save(buffer, "PNG", exif=exif)
    upright, _ = square_image(buffer.getvalue(), 40)
    assert np.array_equal(upright, sky)


def test_the_report_is_json_and_its_summary_names_some(report: BuildReport) -> None:
    for index in range(5):
        report.add("tiny image", f"ann/{index}.png", "1 x 1", "skipped")
    report.write("built")
    stored = json.loads(report.path.read_text())
    assert stored["outcome"] == "built"
    assert stored["findings"][4] == {
        "what": "tiny image", "where": "ann/4.png", "detail": "1 x 1", "done": "skipped",
    }  # fmt: skip
    assert "tiny image, skipped: 5: ann/0.png (1 x 1)" in report.summary()
    assert "and 2 more" in report.summary()
