from pathlib import Path

import numpy as np
import pytest

from copyright_gym.art import similarity
from copyright_gym.art.lot_scores import contribution_scores, copyright_scores, shared_credit
from copyright_gym.art.studio import Studio


def test_each_target_hands_out_one_unit_of_credit() -> None:
    scores = np.array([[1.0, -1.0, -2.0], [3.0, 2.0, -1.0]])
    assert shared_credit(scores).tolist() == [0.25, 1.75]


def test_lot_scores_are_measured_once(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One alignment is enough here, and 28 times as fast.
    monkeypatch.setattr(similarity, "aligned_variants", lambda pixels: [pixels])
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
