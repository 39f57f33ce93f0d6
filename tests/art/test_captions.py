"""Captions by tiny open_clip models with random weights."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import transformers.generation
from PIL import Image
from safetensors.torch import save_file
from works_on_disk import make_folder

from copyright_gym.art import captions, image_text
from copyright_gym.art.image_text import fitting_words, load_image_text, written_captions
from copyright_gym.art.metadata_csv import read_metadata
from copyright_gym.cli import main
from copyright_gym.errors import MissingWeightsError, OptionError

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
CLIP = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
COCA = {
    "embed_dim": 32,
    "vision_cfg": {**VISION, "attentional_pool": True, "attn_pooler_heads": 2,
                   "output_tokens": True},
    "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**TEXT, "attn_pooler_heads": 2},
    "custom_text": True,
}  # fmt: skip
REMOTE = {**CLIP, "text_cfg": {**TEXT, "hf_tokenizer_name": "someone/tokenizer"}}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of random weights by architecture; the configurations are told to open_clip."""
    folder = tmp_path_factory.mktemp("open_clip")
    files = {}
    for name, config in (("tiny_clip", CLIP), ("tiny_coca", COCA), ("tiny_remote", REMOTE)):
        (folder / f"{name}.json").write_text(json.dumps(config))
        open_clip.add_model_config(folder / f"{name}.json")
        torch.manual_seed(5)
        model = open_clip.create_model(name if name != "tiny_remote" else "tiny_clip")
        if name == "tiny_coca":  # open_clip leaves this one at zero
            projection = model.text_decoder.text_projection
            torch.nn.init.normal_(projection)
            projection.data[:, 49407] *= 4  # captions end at different words
        files[name] = folder / f"{name}.safetensors"
        save_file(model.state_dict(), files[name])
    return files


@pytest.fixture
def images() -> list[Any]:
    rng = np.random.default_rng(8)
    return [Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(6)]


def test_captions_are_those_of_open_clips_own_generation(
    weights: dict[str, Path], images: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_image_text("tiny_coca", str(weights["tiny_coca"]))
    assert loaded.writes
    ours = written_captions(loaded, images)
    # open_clip generates only if it finds this class, which beam search alone uses.
    monkeypatch.setattr(transformers.generation, "BeamSearchScorer", object, raising=False)
    module = importlib.reload(importlib.import_module("open_clip.coca_model"))
    tokens = module.CoCa.generate(
        loaded.model, loaded.inputs(images), generation_type="top_k", top_k=1
    )
    texts = [open_clip.decode(row) for row in tokens]
    expected = [
        " ".join(text.split("<end_of_text>")[0].replace("<start_of_text>", "").split())
        for text in texts
    ]
    assert ours == [text.rstrip(" .") for text in expected]
    assert len({int((row == 49407).nonzero()[0]) for row in tokens}) > 1


def test_fitting_words_have_the_largest_cosine(weights: dict[str, Path], images: list[Any]) -> None:
    loaded = load_image_text("tiny_clip", str(weights["tiny_clip"]))
    assert not loaded.writes
    lists = [["a tree", "a horse", "the sea"], ["oil", "ink"]]
    chosen = fitting_words(loaded, images, lists)
    for image, row in zip(images, chosen, strict=True):
        feature = loaded.model.encode_image(loaded.preprocess(image)[None])[0]
        for words, word in zip(lists, row, strict=True):
            cosines = [
                float(torch.cosine_similarity(feature, loaded.model.encode_text(text)[0], dim=0))
                for text in (open_clip.tokenize([f"a picture of {w}"], 32) for w in words)
            ]
            assert word == words[int(np.argmax(cosines))]


def test_a_folder_is_captioned_and_captions_stay(
    weights: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = make_folder(tmp_path / "mine", {"ann_b": 3, "bob": 4})
    lines = (folder / "metadata.csv").read_text().splitlines()
    (folder / "metadata.csv").write_text("\n".join(lines[:3]) + "\n")  # one caption is left
    (folder / "bob/002.png").write_bytes(b"no image")
    (tmp_path / "subjects.txt").write_text("a tree\n\nthe sea\n")
    (tmp_path / "media.txt").write_text("oil on canvas\nink\n")
    words = ["--words", str(tmp_path / "subjects.txt"), str(tmp_path / "media.txt")]
    command = ["packs", "captions", str(folder), "--model", "tiny_clip", "--weights"]
    command += [str(weights["tiny_clip"]), *words]
    assert main([*command, "--count", "1"]) == 0
    assert len([row for row in read_metadata(folder).rows.values() if row["caption"]]) in (2, 3)
    monkeypatch.setattr(captions, "_STORED", 3)
    monkeypatch.setattr(captions, "_AT_ONCE", 2)
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "1 works were skipped" in printed.out
    assert "bob/002.png is skipped: unreadable image" in printed.out + printed.err
    metadata = read_metadata(folder)
    assert metadata.value("ann_b/000.png", "caption") == "ann_b, squares 0"
    assert metadata.value("ann_b/001.png", "license") == "Licence of ann_b"
    new = metadata.value("ann_b/001.png", "caption").split(", ")
    assert new[0] == "ann b"
    assert new[1] in ("a tree", "the sea")
    assert new[2] in ("oil on canvas", "ink")
    assert metadata.value("bob/002.png", "caption") == ""
    (folder / "bob/002.png").unlink()
    before = (folder / "metadata.csv").read_bytes()
    monkeypatch.setattr(image_text, "load_image_text", None)  # nothing is left to do
    assert main(command) == 0
    assert "all works have captions" in capsys.readouterr().out
    assert (folder / "metadata.csv").read_bytes() == before


def test_coca_captions_a_folder(weights: dict[str, Path], tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine", {"bob": 2})
    (folder / "metadata.csv").unlink()
    captions.caption_folder(folder, "tiny_coca", str(weights["tiny_coca"]), [], None)
    texts = [row["caption"] for row in read_metadata(folder).rows.values()]
    assert len(texts) == 2
    assert all(text.startswith("bob, ") and len(text) > 6 for text in texts)


def test_what_cannot_be_used_is_refused(weights: dict[str, Path], tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine", {"bob": 2})
    (folder / "metadata.csv").unlink()
    clip = str(weights["tiny_clip"])
    with pytest.raises(OptionError, match="only compare: give --words"):
        captions.caption_folder(folder, "tiny_clip", clip, [], None)
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(OptionError, match=r"empty\.txt has no words"):
        captions.caption_folder(folder, "tiny_clip", clip, [tmp_path / "empty.txt"], None)
    with pytest.raises(OptionError, match="count must be at least 1"):
        captions.caption_folder(folder, "tiny_clip", clip, [], 0)
    with pytest.raises(OptionError, match="knows no model 'tiny'"):
        load_image_text("tiny", clip)
    with pytest.raises(OptionError, match="needs weights: a file, or one of the tags"):
        load_image_text("tiny_clip", None)
    with pytest.raises(OptionError, match="holds its own weights"):
        load_image_text("local-dir:x", clip)
    with pytest.raises(MissingWeightsError, match="could not be loaded"):
        load_image_text("local-dir:no-such-folder", None)
    with pytest.raises(MissingWeightsError, match=r"'gone\.safetensors' are neither a file"):
        load_image_text("tiny_clip", "gone.safetensors")
    with pytest.raises(MissingWeightsError, match="could not be loaded"):
        load_image_text("tiny_clip", str(weights["tiny_coca"]))
    with pytest.raises(OptionError, match=r"lies on the hub \(someone/tokenizer\)"):
        load_image_text("tiny_remote", str(weights["tiny_remote"]))
    assert not (folder / "metadata.csv").exists()
