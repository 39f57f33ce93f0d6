import numpy as np
import pytest

from copyright_gym.art.held_out import Form, choose, fit_noise, folds, held_out_errors
from copyright_gym.art.measured import Bools, Floats, Measured, SeedNoise
from copyright_gym.art.surrogate_error import coverage_report, error_report


def _rows(histories: int, quality: Floats | None = None) -> Measured:
    """Four rows a history: after 1, 2, 6 and 16 lots of 16."""
    bought = np.zeros((4 * histories, 2, 8), bool)
    for row, lots in enumerate((1, 2, 6, 16)):
        bought.reshape(histories, 4, 16)[:, row, :lots] = True
    quality = np.zeros(4 * histories) if quality is None else quality
    return Measured(bought, quality, np.arange(4 * histories) // 4)


def test_figures_of_hand_made_errors() -> None:
    rows = _rows(2, np.array([0.0, 0.2, 0.4, 0.6] * 2))
    errors = np.array([0.02, -0.02, 0.01, -0.01] * 2)
    report = error_report(rows, errors, SeedNoise(0.01, 10, np.full(2000, 0.01)))
    # Variance .05, mean square .00025, seed variance .0001; both histories are alike.
    assert report["r2"] == pytest.approx(1 - 0.00025 / 0.05)
    assert report["r2_of_explainable"] == pytest.approx(1 - 0.00015 / 0.0499)
    assert report["mean_absolute_error"] == pytest.approx(0.015)
    assert report["mean_absolute_error_interval"] == pytest.approx([0.015, 0.015])
    assert report["over_seed_noise"] == pytest.approx(1.5)
    assert {band: entry["rows"] for band, entry in report["by_lots"].items()} == {
        "1-4": 4, "5-12": 2, "13+": 2
    }  # fmt: skip
    assert report["by_lots"]["1-4"]["over_seed_noise"] == pytest.approx(2.0)


def test_fitted_noise_covers_what_it_should_by_number_of_lots() -> None:
    rng = np.random.default_rng(0)
    rows = _rows(500)
    true = np.sqrt(1e-4 + 4e-4 / rows.lots)
    noise = fit_noise(rng.normal(0.0, true), rows)
    assert noise[0] == 0
    assert noise[rows.lots] == pytest.approx(true, rel=0.1)
    report = coverage_report(rows, rng.normal(0.0, true), noise[rows.lots])
    for entry in report.values():
        assert entry["inside_50"] == pytest.approx(0.5, abs=0.06)
        assert entry["inside_90"] == pytest.approx(0.9, abs=0.04)
        assert entry["score_root_mean_square"] == pytest.approx(1.0, abs=0.1)
    wide = coverage_report(rows, rng.normal(0.0, true), 2 * noise[rows.lots])
    assert wide["all"]["inside_50"] > 0.7


def test_histories_stay_together_and_settings_are_chosen_by_the_held_out() -> None:
    rows = _rows(10, np.repeat(np.arange(10.0), 4))
    assert sum(held_out.astype(int) for held_out in folds(rows.group)).tolist() == [1] * 40
    for held_out in folds(rows.group):
        assert not set(rows.group[held_out]) & set(rows.group[~held_out])

    def fit(part: Measured, memory: bool) -> object:
        """Know the histories seen by heart, or foresee their mean."""

        def predict(bought: Bools) -> Floats:
            seen = len(part.quality) == len(rows.quality)
            return rows.quality if memory and seen else np.full(len(bought), 4.5 + 9 * memory)

        return predict

    form = Form(fit, ({"memory": True}, {"memory": False}))
    assert choose(form, rows) == {"memory": False}
    errors = held_out_errors(lambda part: fit(part, memory=False), rows)
    assert errors == pytest.approx(4.5 - rows.quality)
