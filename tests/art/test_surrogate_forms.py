import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyright_gym.art import surrogate_forms
from copyright_gym.art.corpus import corpus_runs
from copyright_gym.art.measured import measured_rows
from copyright_gym.art.surrogate_tables import surrogate_tables
from copyright_gym.cli import main
from copyright_gym.pack import load_pack


def _make_corpus(pack: Path) -> None:
    """Give a made-up pack a corpus: its own surrogate's qualities, and noise of .01."""
    surrogate = load_pack(pack).surrogate
    rng = np.random.default_rng(0)
    rows = []
    for run in corpus_runs(8, 5, 40, seed=0):
        bought = np.zeros((5, 8), bool)
        for t, members in enumerate(run.history):
            bought[t, list(members)] = True
            quality = surrogate.quality(bought[None])[0] + rng.normal(0, 0.01)
            if not members:
                quality = rows[-1]["quality"] if t else 0.0
            rows.append({
                "history": json.dumps(run.history), "seed": run.seed, "round": t + 1,
                "distance": 100 * (1 - quality), "quality": quality,
            })  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows[::-1]), pack / "corpus.parquet")


@pytest.fixture
def two_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    additive = {"additive": surrogate_forms.FORMS["additive with saturation"]}
    monkeypatch.setattr(surrogate_forms, "FORMS", additive)


@pytest.mark.usefixtures("two_forms")
def test_validate_surrogate_reports_on_the_stored_corpus(
    own_pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_corpus(own_pack)
    main(["validate", "surrogate", "--pack", str(own_pack), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["histories"] == 36  # every tenth of 40 is a replicate
    assert 0.006 < report["seed_noise"]["std"] < 0.014
    assert report["held_out_r2"] > 0.9
    assert report["forms"]["additive"]["by_lots"]["13+"]["rows"] > 20
    low, high = report["forms"]["additive"]["mean_absolute_error_interval"]
    assert low < report["forms"]["additive"]["mean_absolute_error"] < high
    table = surrogate_tables(report)
    assert f"| {report['held_out_r2']:.3f} [" in table
    assert "| additive | " in table


def test_a_pack_without_a_corpus_cannot_be_validated(
    synthetic_pack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "surrogate", "--pack", synthetic_pack]) == 1
    assert "has no corpus.parquet" in capsys.readouterr().err


def test_counts_and_recency_of_a_hand_made_history() -> None:
    bought = np.zeros((1, 3, 2), bool)
    bought[0, 0, 0] = bought[0, 1, 0] = bought[0, 1, 1] = True
    # Rounds 1 and 2 of three; in round 2 the first counts half: weights .5, 1 of 1.75.
    assert surrogate_forms.counts_and_recency(bought, 0.5)[0] == pytest.approx(
        [2 / 3, 1 / 3, 1.5 / 1.75, 1 / 1.75]
    )


@pytest.mark.parametrize("name", surrogate_forms.FORMS)
def test_each_form_foresees_a_sum_of_saturating_holders(name: str) -> None:
    def quality(bought: np.ndarray) -> np.ndarray:
        counts = bought.sum(axis=1)
        return (counts / (counts + 2)) @ np.array([0.3, 0.2, 0.1])

    records = [
        (run, [100 * (1 - quality(_bought(run.history[: t + 1]))[0]) for t in range(3)])
        for run in corpus_runs(3, 3, 80, seed=1)
    ]
    rows = measured_rows(records, 100.0, 3, 3)
    form = surrogate_forms.FORMS[name]
    predict = form.fit(rows[rows.group < 50], **form.settings[0])
    fresh = rows[rows.group >= 50]
    assert np.abs(predict(fresh.bought) - fresh.quality).mean() < 0.25 * fresh.quality.std()


def _bought(history: tuple[tuple[int, ...], ...]) -> np.ndarray:
    bought = np.zeros((1, 3, 3), bool)
    for t, members in enumerate(history):
        bought[0, t, list(members)] = True
    return bought
