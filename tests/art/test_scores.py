from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
import torchvision

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.dicebear_works import draw_works
from copyright_gym.art.features import EfficientNetStages
from copyright_gym.art.lot_scores import copyright_scores
from copyright_gym.art.published_weights import WEIGHTS
from copyright_gym.art.similarity import Similarity
from copyright_gym.art.studio import Studio
from copyright_gym.errors import MissingWeightsError, OptionError


def test_similarity_is_one_for_identity_and_near_zero_for_other_holders() -> None:
    groups = [draw_works(style, 24).images for style in ("micah", "croodles", "big-smile")]
    similarity = Similarity(groups)
    same = similarity(groups[0], groups[0])
    other = similarity(groups[0], groups[1])
    for part, others in zip(same, other, strict=True):
        assert part == pytest.approx(np.ones(24), abs=1e-5)
        assert others.mean() < 0.25
        assert (others >= 0).all()


def test_similarity_falls_with_blending_towards_another_work() -> None:
    first, second = draw_works("micah", 16).images, draw_works("big-smile", 16).images
    similarity = Similarity([first, second])
    blends = [
        similarity(first, ((1 - w) * first + w * second).astype(np.uint8)) for w in (0.1, 0.5, 0.9)
    ]
    for part in zip(*blends, strict=True):
        means = [values.mean() for values in part]
        assert means[0] > means[1] > means[2]


def test_lpips_takes_the_place_of_the_stages_when_its_backbone_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [draw_works(style, 4).images for style in ("micah", "croodles")]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MissingWeightsError, match="squeezenet1_1"):
        Similarity(groups, "lpips-squeeze")
    # The published weights can't be shipped: random ones take their place and the same road.
    (tmp_path / "checkpoints").mkdir()
    weights = torchvision.models.squeezenet1_1(weights=None).state_dict()
    torch.save(weights, tmp_path / "checkpoints" / WEIGHTS["SqueezeNet"])
    similarity = Similarity(groups, "lpips-squeeze")
    assert similarity(groups[0], groups[0])[1] == pytest.approx(np.ones(4), abs=1e-5)
    assert similarity(groups[0], groups[1])[1].mean() < 0.5


def test_stage_distance_is_lpips_arithmetic() -> None:
    first, second = (to_tensor(draw_works(style, 3).images) for style in ("micah", "croodles"))
    stages = EfficientNetStages()
    expected = torch.zeros(3)
    for x, y in zip(stages(first), stages(second), strict=True):
        difference = (lpips.normalize_tensor(x) - lpips.normalize_tensor(y)) ** 2
        expected += lpips.spatial_average(difference.sum(dim=1, keepdim=True)).flatten()
    torch.testing.assert_close(stages.distance(first, second), expected)


def test_unknown_perceptual_distance_lists_the_known() -> None:
    with pytest.raises(OptionError, match="known: efficientnet-lite0, lpips-alex"):
        Similarity([], "lpips-resnet")


def test_lot_scores_are_measured_once(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    semantic, perceptual = copyright_scores(studio, tmp_path / "lots")
    for scores in (semantic, perceptual):
        assert scores.shape == (2, 2)
        assert ((scores >= 0) & (scores <= 1)).all()

    def fail(*arguments: object) -> None:
        raise AssertionError("a stored lot was measured again")

    monkeypatch.setattr(Studio, "train_round", fail)
    again = copyright_scores(studio, tmp_path / "lots")
    assert np.array_equal(again, (semantic, perceptual))
