import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copyright_gym.art.build_report import BuildReport
from copyright_gym.art.builder import build_pack
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.recipes import find_recipe
from copyright_gym.art.sampling import DEFAULT_SAMPLING
from copyright_gym.errors import OptionError

SETTINGS = FinetuneSettings(epochs=4.0)
FEATURE = "efficientnet-lite0"


class AcceptedError(Exception):
    """Stops a build once it has accepted its work folder."""


def _build(work: Path, settings: FinetuneSettings, feature: str = FEATURE) -> None:
    def collection() -> Any:
        raise AcceptedError

    build_pack(
        replace(find_recipe("portrait"), collection=collection),
        Path("no-base"),
        work=work,
        out=work / "pack",
        histories=1,
        small=0,
        visited=None,
        workers=1,
        settings=settings,
        sampling=DEFAULT_SAMPLING,
        feature=feature,
        contribution="d-trak",
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


def test_a_work_folder_from_before_a_setting_existed_had_its_default(tmp_path: Path) -> None:
    stored = SETTINGS.to_dict()
    for name in ("precision", "gradient_checkpointing"):
        del stored[name]
    (tmp_path / "settings.json").write_text(json.dumps({"finetune": stored, "feature": FEATURE}))
    with pytest.raises(OptionError, match="made with other settings"):
        _build(tmp_path, replace(SETTINGS, gradient_checkpointing=True))
    with pytest.raises(AcceptedError):
        _build(tmp_path, SETTINGS)
