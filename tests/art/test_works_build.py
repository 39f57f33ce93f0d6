"""`packs build --works` from a folder to a verified pack, with an untrained tiny base model."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import torch
from tiny_studio import make_pipeline
from works_on_disk import draw, make_folder

from copyright_gym import load_pack, verify_pack
from copyright_gym.art import builder, lot_scores, signal
from copyright_gym.art.adapters import Weights
from copyright_gym.art.base_files import base_facts, find_base, held_base, work_size
from copyright_gym.art.blueprint import SDXL_BASE
from copyright_gym.art.coalitions import measured_coalitions
from copyright_gym.art.corpus import Run, RunStore, play_run, signal_coalitions, signal_runs
from copyright_gym.art.lot_scores import CopyrightParts
from copyright_gym.art.pack_studio import Brought, pack_studio
from copyright_gym.art.studio import Studio
from copyright_gym.art.workers import LocalWorkers
from copyright_gym.art.works import Works
from copyright_gym.cli import main
from copyright_gym.errors import OptionError, PackError
from copyright_gym.pack import Pack


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_pipeline().save_pretrained(folder)
    return folder


def in_process(
    workers: LocalWorkers, make: Any, runs: list[Run], folder: Path, notice: Any
) -> Iterator[Run]:
    studio, store = make(), RunStore(folder)
    for run in runs:
        play_run(studio, run, store)
        yield run


def measure(studio: Studio, weights: Weights) -> float:
    """Stands in for drawing and comparing works, which other tests do; differs with training."""
    return 100 + sum(float(weight.double().abs().mean()) for weight in weights.values())


def test_a_folder_becomes_a_verified_pack(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folder(tmp_path / "mine", {"ann": 38, "bob": 38})
    (tmp_path / "mine/ann/000.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalWorkers, "play", in_process)
    for module in (builder, signal):
        monkeypatch.setattr(module, "signal_runs", lambda h, t: signal_runs(h, t, seeds=2))
    monkeypatch.setattr(Studio, "measure", measure)
    monkeypatch.setattr(lot_scores, "GENERATIONS", 1)
    command = [
        "packs", "build", "--works", "mine", "--base", str(base), "--rounds", "2", "--lot", "2",
        "--held-out", "33", "--steps", "1", "--batch", "4", "--epochs", "1", "--histories", "2",
        "--contribution", "trak",
    ]  # fmt: skip
    assert main(command) == 0
    assert (
        "unreadable image, skipped: 1: ann/000.png (of no known format)" in capsys.readouterr().err
    )
    report = json.loads((tmp_path / "runs/build/mine/report.json").read_text())
    assert report["outcome"] == "built"
    pack = load_pack("runs/packs/mine")
    assert [holder.name for holder in pack.holders] == ["ann", "bob"]
    assert pack.works.tolist() == [[2, 2], [2, 2]]
    assert pack.provenance["finetune"]["base_share"] == 0
    assert pack.provenance["sampling"]["steps"] == 1
    assert str(tmp_path) not in (pack.folder / "manifest.json").read_text()
    # With two holders the runs behind `validate signal` are all coalitions there are.
    known = measured_coalitions(pack.folder)
    assert set(known) == {(), (0,), (1,), (0, 1)}
    assert all({0, 1} <= set(by_seed) for by_seed in known.values())
    assert pack.provenance["contribution"] == "trak"
    card = (pack.folder / "card.md").read_text()
    assert "| bob | bob | Bob | Licence of bob |" in card
    with (pack.folder / "works.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == 2 * 37
    assert {row["attribution"] for row in listed} == {"Ann", "Bob"}
    _play_live(pack, tmp_path)
    # Nothing is measured again, and the same pack comes out.
    before = (pack.folder / "manifest.json").read_bytes()
    monkeypatch.setattr(LocalWorkers, "play", lambda self, make, runs, *_: iter(runs))
    assert main(command) == 0
    assert (pack.folder / "manifest.json").read_bytes() == before
    verify_pack(pack.folder)
    # Records of other works are not mixed in.
    assert main([*command, "--seed", "1"]) == 1
    assert "different: works" in capsys.readouterr().err


def _play_live(pack: Pack, folder: Path) -> None:
    """Rounds are really trained on the user's works, if these are the same."""
    with pytest.raises(PackError, match="name that folder as `works`"):
        pack_studio(pack)
    with pytest.raises(PackError, match="leave out `works`"):
        pack_studio(load_pack("portrait"), Brought(folder / "mine"))
    with pytest.raises(PackError, match="portrait/base' is another one"):
        pack_studio(pack, Brought(folder / "mine", load_pack("portrait").folder / "base"))
    env = gym.make(
        "copyright_gym/LiveRoundBudget-v0", pack="runs/packs/mine", works="mine",
        holder_policy="greedy", cache=str(folder / "live"), progress=False,
    )  # fmt: skip
    env.reset(seed=0)
    _, reward, _, _, info = env.step(10)
    assert info["quality"] == reward != 0
    with (pack.folder / "works.csv").open(newline="") as file:
        work = folder / "mine" / next(csv.DictReader(file))["file"]
    before = work.read_bytes()
    draw(work, 99)
    pack_studio.cache_clear()
    with pytest.raises(OptionError, match=f"{work.name} has changed"):
        pack_studio(pack, Brought(folder / "mine"))
    work.write_bytes(before)


def test_networks_of_the_copyright_metric(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = CopyrightParts("open_clip:ViT-B-32:/home/me/vit.safetensors", "lpips-alex")
    assert parts.named() == {
        "semantic": "open_clip:ViT-B-32:vit.safetensors",
        "perceptual": "lpips-alex",
    }
    for name, shown in (
        ("open_clip:hf-hub:someone/model", "open_clip:hf-hub:someone/model"),
        ("open_clip:local-dir:/home/me/model", "open_clip:local-dir:model"),
    ):
        assert CopyrightParts(name).named()["semantic"] == shown
    made: list[Any] = []
    monkeypatch.setattr(lot_scores, "Similarity", lambda *given: made.append(given))
    images = np.arange(4, dtype=np.uint8).repeat(12).reshape(4, 2, 2, 3)
    collection = SimpleNamespace(held_out=Works(images, ("",) * 4), holders=("ann", "bob"))
    lot_scores.holder_similarity(cast("Any", SimpleNamespace(collection=collection)), 1, parts)
    ((look_alikes, unrelated, *names),) = made
    assert names == ["open_clip:ViT-B-32:/home/me/vit.safetensors", "lpips-alex"]
    assert (look_alikes.max(), unrelated.max()) == (3, 1)
    # What is missing is told before anything is trained.
    make_folder(tmp_path / "mine", {"ann": 38, "bob": 38})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    command = ["packs", "build", "--works", "mine", "--base", str(base), "--rounds", "2"]
    command += ["--lot", "2", "--held-out", "33"]
    assert main([*command, "--perceptual", "lpips-alex"]) == 1
    assert "weights of AlexNet are not on this machine" in capsys.readouterr().err
    assert main([*command, "--work", "other", "--semantic", "clip"]) == 1
    assert "unknown semantic part 'clip'" in capsys.readouterr().err


def test_coalitions_of_few_holders_are_different() -> None:
    assert signal_coalitions(2) == [(), (0,), (1,), (0, 1)]
    for holders in (2, 3, 4, 8):
        coalitions = signal_coalitions(holders)
        assert len(set(coalitions)) == len(coalitions)
        assert all(len(set(members)) == len(members) for members in coalitions)


def test_options_of_works_need_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["packs", "build", "portrait", "--lot", "3", "--held-out", "4"]) == 1
    assert "--held-out, --lot: only for your own works" in capsys.readouterr().err
    assert main(["packs", "build", "portrat"]) == 1
    assert (
        "unknown data set 'portrat'; known: cartoon, clipart, portrait" in capsys.readouterr().err
    )


def test_base_models(base: Path, tmp_path: Path) -> None:
    assert find_base(str(base)) == base
    assert find_base(SDXL_BASE) == SDXL_BASE
    for wrong in ("no-such-folder", "./a/b", "/a/b", str(tmp_path)):
        with pytest.raises(OptionError, match=r"not a folder|neither a folder"):
            find_base(wrong)
    assert work_size(base, None) == 32
    assert work_size(SDXL_BASE, None) == 1024
    assert work_size(SDXL_BASE, 512) == 512
    with pytest.raises(OptionError, match="multiple of 32"):
        work_size(SDXL_BASE, 500)
    assert work_size("someone/sdxl", 768) == 768
    with pytest.raises(OptionError, match="give --size"):
        work_size("someone/sdxl", None)
    assert held_base(SDXL_BASE) == {}
    assert base_facts(SDXL_BASE) == {"name": SDXL_BASE}


def test_a_large_base_is_named_and_not_held(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "base/unet/config.json" in held_base(base)
    monkeypatch.setattr("copyright_gym.art.base_files._LARGEST", 1000)
    assert held_base(base) == {}
    sums = base_facts(base)["sha256"]
    assert "unet/diffusion_pytorch_model.safetensors" in sums
    assert all(len(value) == 64 for value in sums.values())
