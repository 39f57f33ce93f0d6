from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from synthetic import make_synthetic_pack

from copyright_gym import load_pack, pack_names, verify_pack
from copyright_gym.errors import PackError
from copyright_gym.pack import write_pack
from copyright_gym.pack_files import sha256

FILES = ("card.md", "scores.npz", "surrogate.npz")


def rewrite(folder, **arguments):
    """Write a pack again with some arguments of write_pack changed."""
    pack = load_pack(folder)
    names = ("contribution", "semantic", "perceptual", "works")
    return write_pack(
        folder,
        **{
            "title": pack.title,
            "holders": pack.holders,
            "quality": pack.quality,
            "provenance": pack.provenance,
            "scores": {name: getattr(pack, name) for name in names} | arguments.pop("scores", {}),
            "surrogate": pack.surrogate.to_arrays() | arguments.pop("surrogate_arrays", {}),
            **arguments,
        },
    )


def edit_manifest(folder, **entries):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def flip(path, at=-30):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def test_loaded_packs_are_shared_and_read_only(own_pack):
    pack = load_pack(own_pack)
    assert load_pack(str(own_pack)) is pack
    assert pack.name == "own"
    assert pack.rounds == 5
    assert asdict(pack.holders[0])["licence"] == "CC0-1.0"
    assert pack.works.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        pack.contribution[0, 0] = 2
    pack.verify()
    verify_pack(own_pack)


def test_equal_packs_have_equal_bytes(tmp_path):
    first, second = (make_synthetic_pack(tmp_path / part / "same") for part in "ab")
    for name in (*FILES, "manifest.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_writing_replaces_a_pack_and_leaves_nothing_else(own_pack):
    before = load_pack(own_pack)
    rewrite(own_pack, title="Other")
    assert load_pack(own_pack).title == "Other"
    assert before.title == "Synthetic"
    assert not (own_pack / "card.md").exists()
    assert [path.name for path in own_pack.parent.iterdir()] == ["own"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"scores": {"semantic": np.full((5, 8), 1.5)}},
        {"scores": {"contribution": np.full((5, 8), np.nan)}},
        {"scores": {"contribution": np.full((5, 8), 2.0)}},
        {"scores": {"perceptual": np.zeros((5, 7))}},
        {"scores": {"works": np.ones((5, 8))}},
        {"scores": {"contribution": np.ones((0, 8))}},
        {"surrogate_arrays": {"form": np.array("cubic")}},
        {"surrogate_arrays": {"bias": np.zeros(3)}},
        {"surrogate_arrays": {"out": np.full(16, np.inf)}},
        {"surrogate_arrays": {"shares": np.zeros((4, 16))}},
        {"surrogate_arrays": {"rounds": np.array(4)}},
        {"holders": []},
    ],
    ids=str,
)
def test_a_pack_that_cannot_be_loaded_is_not_written(own_pack, arguments):
    before = (own_pack / "manifest.json").read_bytes()
    with pytest.raises(PackError, match="is damaged"):
        rewrite(own_pack, **arguments)
    assert (own_pack / "manifest.json").read_bytes() == before
    assert [path.name for path in own_pack.parent.iterdir()] == ["own"]


@pytest.mark.parametrize("name", FILES)
def test_verify_names_the_changed_file(own_pack, name):
    flip(own_pack / name, at=3)
    with pytest.raises(PackError, match=f"changed: {name}"):
        verify_pack(own_pack)


def test_verify_names_missing_and_unlisted_files(own_pack):
    (own_pack / "card.md").rename(own_pack / "other.md")
    with pytest.raises(PackError, match=r"missing: card\.md; not in the manifest: other\.md"):
        verify_pack(own_pack)


@pytest.mark.parametrize("name", ["scores.npz", "surrogate.npz"])
def test_damaged_and_missing_arrays(own_pack, name):
    flip(own_pack / name)
    with pytest.raises(PackError, match=f"{name} is damaged"):
        load_pack(own_pack)
    (own_pack / name).unlink()
    with pytest.raises(PackError, match=f"{name} is missing"):
        load_pack(own_pack)


def test_a_truncated_npz_with_a_fitting_checksum(own_pack):
    data = (own_pack / "scores.npz").read_bytes()[:100]
    (own_pack / "scores.npz").write_bytes(data)
    files = json.loads((own_pack / "manifest.json").read_text())["files"]
    edit_manifest(own_pack, files=files | {"scores.npz": sha256(data)})
    with pytest.raises(PackError, match=r"scores\.npz is not a readable npz"):
        load_pack(own_pack)


def test_packs_of_newer_versions(own_pack):
    edit_manifest(own_pack, schema_version=2)
    for read in (load_pack, verify_pack):
        with pytest.raises(PackError, match=r"schema version 2.*pip install --upgrade"):
            read(own_pack)


@pytest.mark.parametrize(
    "entries",
    [{"schema_version": "1"}, {"files": None}, {"holders": [{}]}, {"quality": {}}, {"rounds": 6}],
    ids=str,
)
def test_damaged_manifests(own_pack, entries):
    edit_manifest(own_pack, **entries)
    with pytest.raises(PackError, match=r"damaged|incomplete"):
        load_pack(own_pack)


def test_no_manifest_and_no_json(own_pack):
    (own_pack / "manifest.json").write_text("{")
    with pytest.raises(PackError, match=r"manifest\.json is damaged"):
        load_pack(own_pack)
    (own_pack / "manifest.json").unlink()
    with pytest.raises(PackError, match="is not a pack"):
        load_pack(own_pack)


def test_unknown_packs():
    with pytest.raises(PackError, match=r"unknown pack 'portrat'.*embedded packs: "):
        load_pack("portrat")


def test_embedded_packs_verify():
    for name in pack_names():
        verify_pack(name)
        assert load_pack(name).name == name
