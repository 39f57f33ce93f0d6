from pathlib import Path

import numpy as np
import pytest
import torch

from copyright_gym.art.attribution import CountSketch, attribution_scores
from copyright_gym.art.lot_scores import contribution_scores, copyright_scores
from copyright_gym.art.similarity import Similarity
from copyright_gym.art.studio import Studio
from copyright_gym.art.works import draw_works


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


def test_count_sketch_keeps_inner_products() -> None:
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(20_000, generator=generator)
    gradients = torch.stack([shared, shared + 0.5 * torch.randn(20_000, generator=generator)])
    sketch = CountSketch(20_000, 2048, seed=1)
    projected = sketch.project({"weight": gradients}, model_id=0)
    exact, sketched = gradients @ gradients.T, projected @ projected.T
    torch.testing.assert_close(sketched, exact, rtol=0.1, atol=0)


@pytest.mark.parametrize("dtrak", [True, False])
def test_a_training_work_is_attributed_to_itself_first(studio: Studio, dtrak: bool) -> None:
    works = studio.lot_sets[0][0]
    scores = attribution_scores(
        studio.pipeline, studio.base_weights, works, works, dtrak=dtrak, timesteps=2
    )
    assert scores.shape == (4, 4)
    assert scores.argmax(axis=0).tolist() == [0, 1, 2, 3]


def test_lot_scores_are_measured_once(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    semantic, perceptual = copyright_scores(studio, tmp_path / "lots")
    contribution = contribution_scores(studio, tmp_path / "contribution.json")
    for scores in (semantic, perceptual):
        assert scores.shape == (2, 2)
        assert ((scores >= 0) & (scores <= 1)).all()
    assert contribution.mean() == pytest.approx(1)
    assert len(np.unique(contribution)) > 1

    def fail(*arguments: object) -> None:
        raise AssertionError("a stored lot was measured again")

    monkeypatch.setattr(Studio, "train_round", fail)
    again = copyright_scores(studio, tmp_path / "lots")
    assert np.array_equal(again, (semantic, perceptual))
    assert np.array_equal(contribution_scores(studio, tmp_path / "contribution.json"), contribution)
