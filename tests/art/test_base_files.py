from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copyright_gym.art.base_files import base_facts, base_of
from copyright_gym.art.recipes import find_recipe
from copyright_gym.cli import main
from copyright_gym.errors import PackError
from copyright_gym.pack import Pack, load_pack


def _sharing(folder: Path, **base: Any) -> Pack:
    """Return a pack in another folder that names the base model of `portrait`."""
    return replace(load_pack("portrait"), folder=folder, provenance={"base": base})


def test_a_pack_can_share_the_base_model_of_another(tmp_path: Path) -> None:
    own = load_pack("portrait").folder / "base"
    assert base_of(load_pack("portrait")) == own
    facts = base_facts(own)
    assert base_of(_sharing(tmp_path, **facts, held=False, pack="portrait")) == own


def test_a_missing_or_other_base_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="has no base model"):
        base_of(_sharing(tmp_path, held=False))
    facts = base_facts(load_pack("portrait").folder / "base")
    facts["sha256"] |= {"unet/diffusion_pytorch_model.safetensors": "0" * 64}
    with pytest.raises(PackError, match="another base model than pack 'portrait' has here"):
        base_of(_sharing(tmp_path, **facts, pack="portrait"))


def test_a_shared_base_model_is_not_trained_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["packs", "train-base", "cartoon", "--out", "base"]) == 1
    assert "'cartoon' starts from the base model of 'portrait'" in capsys.readouterr().err


def test_a_user_can_bring_another_base_model() -> None:
    recipe = find_recipe("cartoon")
    assert recipe.base_pack == "portrait"
    assert recipe.with_other_base().base_pack is None
    assert "portrait" not in recipe.with_other_base().base_about
