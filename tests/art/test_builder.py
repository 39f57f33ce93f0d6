import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copyright_gym.art import requested_build
from copyright_gym.art.build_report import BuildReport
from copyright_gym.art.builder import build_pack
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.lot_scores import DEFAULT_PARTS
from copyright_gym.art.ray_workers import RayWorkers
from copyright_gym.art.recipes import find_recipe
from copyright_gym.art.sampling import DEFAULT_SAMPLING, Sampling
from copyright_gym.art.workers import LocalWorkers
from copyright_gym.cli import main
from copyright_gym.errors import OptionError

SETTINGS = FinetuneSettings(epochs=4.0)
FEATURE = "efficientnet-lite0"


class AcceptedError(Exception):
    """Stops a build once it has accepted its work folder."""


def _build(
    work: Path,
    settings: FinetuneSettings,
    feature: str = FEATURE,
    base: Path | str = Path("no-base"),
) -> None:
    def collection() -> Any:
        raise AcceptedError

    build_pack(
        replace(find_recipe("portrait"), collection=collection),
        base,
        work=work,
        out=work / "pack",
        histories=1,
        small=0,
        visited=None,
        workers=LocalWorkers(1),
        settings=settings,
        sampling=DEFAULT_SAMPLING,
        feature=feature,
        contribution="trak",
        parts=DEFAULT_PARTS,
        command=["build"],
        report=BuildReport(work),
    )


def test_a_work_folder_keeps_to_its_settings(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(AcceptedError):
            _build(tmp_path, SETTINGS)
    for settings, feature in (
        (replace(SETTINGS, lr=1e-3), FEATURE),
        (replace(SETTINGS, precision="bf16"), FEATURE),
        (SETTINGS, "fid"),
    ):
        with pytest.raises(OptionError, match="made with other settings"):
            _build(tmp_path, settings, feature)
    with pytest.raises(OptionError, match="different: base;"):
        _build(tmp_path, SETTINGS, base="a/hub-name")


def test_a_work_folder_from_before_a_setting_existed_had_its_default(tmp_path: Path) -> None:
    stored = SETTINGS.to_dict()
    for name in ("precision", "gradient_checkpointing"):
        del stored[name]
    (tmp_path / "settings.json").write_text(json.dumps({"finetune": stored, "feature": FEATURE}))
    with pytest.raises(OptionError, match="made with other settings"):
        _build(tmp_path, replace(SETTINGS, gradient_checkpointing=True))
    with pytest.raises(AcceptedError):
        _build(tmp_path, SETTINGS)


def test_options_reach_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(requested_build, "build_pack", lambda *_, **named: asked.update(named))
    monkeypatch.setattr(requested_build, "verify_pack", lambda out: None)
    command = ["packs", "build", "portrait"]
    assert main(command) == 0
    assert (asked["settings"], asked["sampling"]) == (find_recipe("portrait").settings, Sampling())
    assert asked["workers"] == LocalWorkers(2)
    words = [
        "--method", "lora", "--lora-rank", "16", "--precision", "bf16", "--vae", "someone/vae",
        "--gradient-checkpointing", "--batch", "4", "--epochs", "2.0", "--lr", "0.0001",
        "--steps", "30", "--guidance", "5.0",
    ]  # fmt: skip
    assert main([*command, *words, "--executor", "ray", "--address", "10.0.0.1:6379"]) == 0
    assert asked["settings"] == replace(
        find_recipe("portrait").settings,
        method="lora", lora_rank=16, precision="bf16", vae="someone/vae",
        gradient_checkpointing=True, batch=4, epochs=2.0, lr=1e-4,
    )  # fmt: skip
    assert asked["sampling"] == Sampling(30, 5.0)
    assert asked["workers"] == RayWorkers("10.0.0.1:6379")
    # The manifest's command says how works were made, not on which machines.
    made = asked["command"]
    assert "ray" not in made
    assert {made[made.index(w) + 1] for w in ("--vae", "--lora-rank")} == {"someone/vae", "16"}
    assert main([*command, "--address", "10.0.0.1:6379"]) == 1
    assert "goes with --executor ray" in capsys.readouterr().err
