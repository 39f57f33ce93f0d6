from pathlib import Path

import numpy as np
import pytest

from copyright_gym.art import similarity
from copyright_gym.art.lot_scores import copyright_scores
from copyright_gym.art.studio import Studio


def test_lot_scores_are_measured_once(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One alignment is enough here, and 28 times as fast.
    monkeypatch.setattr(similarity, "aligned_variants", lambda pixels: [pixels])
    semantic, perceptual = copyright_scores(studio, tmp_path / "lots")
    for scores in (semantic, perceptual):
        assert scores.shape == (2, 2)
        assert ((scores >= 0) & (scores <= 1)).all()

    def fail(*arguments: object) -> None:
        raise AssertionError("a stored lot was measured again")

    monkeypatch.setattr(Studio, "train_round", fail)
    again = copyright_scores(studio, tmp_path / "lots")
    assert np.array_equal(again, (semantic, perceptual))
