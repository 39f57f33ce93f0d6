import numpy as np
import pytest

from copyright_gym.art.corpus import Run, corpus_runs
from copyright_gym.art.measured import measured_rows
from copyright_gym.art.signal import signal_report
from copyright_gym.art.surrogate_fit import fit_surrogate


def _quality(history: tuple[tuple[int, ...], ...]) -> float:
    counts = np.zeros(4)
    for members in history:
        counts[list(members)] += 1
    return float(1 - np.exp(-0.2 * counts @ np.array([1.0, 0.8, 0.5, 0.3])))


def test_fit_recovers_a_saturating_quality_on_histories_it_has_not_seen() -> None:
    base, noise = 500.0, 0.003
    rng = np.random.default_rng(0)
    records = []
    for run in corpus_runs(4, 3, 60, seed=1):
        quality = [_quality(run.history[: t + 1]) for t in range(3)]
        distances = base * (1 - np.array(quality) - noise * rng.standard_normal(3))
        records.append((run, distances.tolist()))
    surrogate, report = fit_surrogate(measured_rows(records, base, 3, 4))
    assert report["held_out_r2"] > 0.98
    assert report["held_out_mean_absolute_error"] < 0.02
    fresh = [run.history for run in corpus_runs(4, 3, 80, seed=1)[60:]]
    bought = np.zeros((20, 3, 4), bool)
    for row, history in zip(bought, fresh, strict=True):
        for t, members in enumerate(history):
            row[t, list(members)] = True
    errors = surrogate.quality(bought) - [_quality(history) for history in fresh]
    assert np.abs(errors).mean() < 0.02
    assert surrogate.quality(np.zeros((1, 3, 4), bool))[0] == 0


def test_signal_report_of_hand_made_runs() -> None:
    quality = {(): [0.0, 0.0], (0,): [0.1, 0.12], (1,): [0.2, 0.22], (0, 1): [0.4, 0.42]}
    distances = {
        Run((members,), seed): [100 * (1 - q)]
        for members, values in quality.items()
        for seed, q in enumerate(values)
    }
    everything = ((0, 1), (0, 1))
    distances |= {Run(everything, 0): [60.0, 50.0], Run(everything, 1): [58.0, 48.0]}
    report = signal_report(distances, 100.0, 2)
    # Means 0, .11, .21, .41; each pair of seeds differs by .02, so its variance is .0002.
    assert report["variance_ratio"] == pytest.approx(np.var([0, 0.11, 0.21, 0.41], ddof=1) / 2e-4)
    assert report["all_rounds_quality_mean"] == pytest.approx([0.41, 0.51])
    assert report["round_gain_mean"] == pytest.approx([0.41, 0.1])
    assert report["single_holder_worst"] == pytest.approx(0.11)
