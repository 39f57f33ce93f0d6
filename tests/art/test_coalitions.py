import io
import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from copyright_gym.art import validate_attribution
from copyright_gym.art.attribution_report import method_differences
from copyright_gym.art.coalitions import (
    coalition_runs,
    coalition_table,
    finished_coalitions,
    measured_coalitions,
    merged,
)
from copyright_gym.art.corpus import Run, RunStore
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.holder_attribution import (
    correlations,
    holder_report,
    pooled_correlations,
    pooled_report,
)
from copyright_gym.art.lot_scores import CopyrightParts
from copyright_gym.art.pack_studio import NOTHING, pack_parts, pack_recipe, pin_pack
from copyright_gym.art.pinned_settings import pin_settings
from copyright_gym.art.sampling import Sampling
from copyright_gym.cli import main
from copyright_gym.coalition_game import (
    all_coalitions,
    leave_one_out,
    shapley_of_game,
    shapley_values,
)
from copyright_gym.errors import OptionError
from copyright_gym.pack import load_pack


def value_of(values: np.ndarray, members: tuple[int, ...]) -> float:
    return float(values[sum(1 << i for i in members)])


def test_shapley_values_agree_with_all_permutations() -> None:
    values = np.random.default_rng(0).normal(size=2**4)
    orders = list(itertools.permutations(range(4)))
    expected = np.zeros(4)
    for order in orders:
        for place, holder in enumerate(order):
            before = order[:place]
            expected[holder] += value_of(values, (*before, holder)) - value_of(values, before)
    found = shapley_values(values)
    np.testing.assert_allclose(found, expected / len(orders), atol=1e-12)
    assert found.sum() == pytest.approx(values[-1] - values[0])


def test_leave_one_out_by_hand() -> None:
    values = np.array([0.0, 1.0, 2.0, 4.0])
    assert leave_one_out(values).tolist() == [2.0, 3.0]


def test_coalitions_are_numbered_by_their_members() -> None:
    coalitions = [tuple(np.flatnonzero(row).tolist()) for row in all_coalitions(3)]
    assert coalitions[0b101] == (0, 2)
    runs = coalition_runs(3, {}, seeds=2)
    assert len({run.name for run in runs}) == 16
    assert sorted(run.history[0] for run in runs[:8]) == sorted(coalitions)
    assert [run.seed for run in runs] == [0] * 8 + [1] * 8


def test_what_is_known_needs_no_run() -> None:
    known = {(): {0: 0.0, 1: 0.0}, (0,): {0: 0.1}, (1,): {7: 0.2}, (0, 1): {5: 0.3, 6: 0.3, 7: 0.3}}
    assert coalition_runs(2, known) == [Run(((0,),), 1), Run(((1,),), 0)]
    assert coalition_runs(1, {(0,): {1: 0.1}}) == [Run(((),), 0), Run(((),), 1), Run(((0,),), 0)]


def test_the_table_lists_every_finished_coalition_and_seed(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    runs = coalition_runs(2, {})
    for run in runs[1:]:
        store.save_distances(run, [10.0 - len(run.history[0]) - 0.5 * run.seed])
    found = finished_coalitions(store, runs, 10.0)
    rows = pq.read_table(io.BytesIO(coalition_table(found))).to_pylist()
    assert len(rows) == 7
    assert {"holders": [0, 1], "seed": 1, "quality": pytest.approx(0.25)} in rows


def test_a_pack_knows_the_first_rounds_of_its_corpus_and_its_table(tmp_path: Path) -> None:
    pack = load_pack("portrait")
    shutil.copy(pack.folder / "corpus.parquet", tmp_path)
    corpus = measured_coalitions(tmp_path)
    more = {(0,): {99: 0.5}, (0, 1, 2): {0: 0.25}}
    (tmp_path / "coalitions.parquet").write_bytes(coalition_table(more))
    found = measured_coalitions(tmp_path)
    assert found == merged(corpus, more)
    assert found[(0,)] == corpus[(0,)] | {99: 0.5}


def test_shapley_values_of_a_game_of_many_holders_are_sampled() -> None:
    worths = np.random.default_rng(0).normal(size=14)

    def additive(coalitions: np.ndarray) -> np.ndarray:
        return coalitions @ worths

    np.testing.assert_allclose(shapley_of_game(additive, 14), worths, atol=1e-12)

    def glove(coalitions: np.ndarray) -> np.ndarray:
        return (coalitions[:, 0] & coalitions[:, 1:].any(axis=1)).astype(float)

    # Holder 0 is pivotal unless it comes first of 14; the others share the rest.
    found = shapley_of_game(glove, 14)
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(13 / 14, abs=0.04)


def table_of(values: np.ndarray) -> dict[tuple[int, ...], dict[int, float]]:
    members = [tuple(np.flatnonzero(row).tolist()) for row in all_coalitions(4)]
    return {m: dict(enumerate(row)) for m, row in zip(members, values, strict=True)}


def test_all_seeds_of_a_coalition_count() -> None:
    qualities: dict[tuple[int, ...], dict[int, float]] = table_of(np.zeros((2**4, 2)))
    qualities[(0,)] = {0: 0.1, 3: 0.2, 4: 0.5}
    report = holder_report(qualities, 4, {})
    assert report["seeds"] == 2
    assert report["truths"]["alone"]["0"] == pytest.approx([0.3, 0.2])


def test_with_all_coalitions_estimates_are_compared_with_exact_values() -> None:
    values = np.random.default_rng(1).normal(size=(2**4, 2))
    exact = shapley_values(values.mean(axis=1))
    order = np.argsort(np.argsort(exact)).astype(float)
    report = holder_report(table_of(values), 4, {"order": order})
    shapley = report["correlations"]["shapley"]["order"]
    assert shapley["spearman"] == pytest.approx(1)
    assert shapley["pearson"] == pytest.approx(np.corrcoef(order, exact)[0, 1])
    assert shapley["low"] <= shapley["spearman"]
    means = {name: [np.mean(row[str(i)]) for i in range(4)]
             for name, row in report["truths"].items()}  # fmt: skip
    np.testing.assert_allclose(means["shapley"], exact, atol=1e-12)
    np.testing.assert_allclose(means["leave_one_out"], leave_one_out(values.mean(axis=1)))
    np.testing.assert_allclose(means["alone"], (values - values[0])[[1, 2, 4, 8]].mean(axis=1))


def test_with_some_coalitions_only_what_is_measured_is_reported() -> None:
    values = np.random.default_rng(2).normal(size=(2**4, 3))
    qualities = table_of(values)
    del qualities[(0, 1)], qualities[(1, 2, 3)]
    qualities[(2,)] = {0: values[0b100, 0]}
    report = holder_report(qualities, 4, {"any": np.arange(4.0)})
    assert report["coalitions"] == 14
    assert set(report["correlations"]) == {"alone"}
    assert report["truths"]["alone"]["2"] == [values[0b100, 0]]
    assert sorted(report["truths"]["leave_one_out"]) == ["1", "2", "3"]
    expected = values[15].mean() - values[0b1101]
    assert report["truths"]["leave_one_out"]["1"] == pytest.approx(expected)


def test_the_interval_of_a_sure_order_is_narrow_and_of_noise_is_wide() -> None:
    rng = np.random.default_rng(3)
    sure = [np.full(3, 10.0 * i) + rng.normal(size=3) for i in range(8)]
    noise = [rng.normal(size=3) for _ in range(8)]
    assert correlations(np.arange(8.0), sure)["low"] > 0.9
    found = correlations(np.arange(8.0), noise)
    assert found["low"] < 0 < found["high"]


def test_pooled_correlations_compare_holders_of_one_pack_only() -> None:
    rng = np.random.default_rng(4)
    truth = [[*rng.normal(size=(8, 2))], [*(100 + 50 * rng.normal(size=(8, 2)))]]
    estimates = rng.normal([[0], [7]], size=(2, 8))
    found = pooled_correlations([*zip(estimates, truth, strict=True)])
    single = [correlations(e, t) for e, t in zip(estimates, truth, strict=True)]
    # Packs of one size weigh the same.
    for name in ("spearman", "pearson"):
        assert found[name] == pytest.approx(np.mean([row[name] for row in single]))
    assert found["low"] < found["spearman"] < found["high"]
    assert found["high"] - found["low"] < max(row["high"] - row["low"] for row in single)
    means = [np.mean(values, axis=1) for values in truth]
    assert pooled_correlations([*zip(means, truth, strict=True)])["spearman"] == pytest.approx(1)


def test_packs_are_pooled_where_all_holders_are_known() -> None:
    values = np.random.default_rng(5).normal(size=(3, 2**4, 2))
    tables = [table_of(x) for x in values]
    del tables[2][(0, 1)]
    estimates = {"order": np.arange(4.0), "one pack's own": np.arange(4.0)}
    reports = [holder_report(tables[0], 4, estimates)]
    reports += [holder_report(table, 4, {"order": np.arange(4.0)}) for table in tables[1:]]
    pooled = pooled_report(reports)
    assert {name: (x["packs"], x["holders"]) for name, x in pooled.items()} == {
        "alone": (3, 12), "leave_one_out": (3, 12), "shapley": (2, 8)
    }  # fmt: skip
    assert list(pooled["shapley"]["correlations"]) == ["order"]
    single = [report["correlations"]["shapley"]["order"]["pearson"] for report in reports[:2]]
    assert pooled["shapley"]["correlations"]["order"]["pearson"] == pytest.approx(np.mean(single))
    assert pooled_report(reports[:1]) == {}


def test_methods_are_compared_target_by_target() -> None:
    scores = np.random.default_rng(6).normal(size=64)
    lds = {
        "trak": {"ridge": 1.0, "generated": {"by_target": scores.tolist()}},
        "d-trak": {"ridge": 1.0, "generated": {"by_target": (scores - 0.1).tolist()}},
        "d-trak, fine-tuned model": {"ridge": 1.0, "generated": {"by_target": [0.0] * 64}},
    }
    found = method_differences(lds)
    assert list(found) == ["base model"]
    assert found["base model"]["generated"] == pytest.approx(
        {"mean": -0.1, "low": -0.1, "high": -0.1}
    )


def test_portraits_measured_coalitions_agree_with_its_signal_report() -> None:
    pack = load_pack("portrait")
    qualities = measured_coalitions(pack.folder)
    signal = json.loads((pack.folder / "signal.json").read_text())
    for entry in signal["coalitions"]:
        found = list(qualities[tuple(entry["holders"])].values())
        assert all(np.isclose(found, x, atol=1e-6).any() for x in entry["quality"])


def test_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "attribution", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert main(["validate", "attribution"]) == 0
    text = capsys.readouterr().out
    assert f"{report['holders']['coalitions']} of 256 coalitions measured" in text
    if "shapley" not in report["holders"]["correlations"]:
        assert "exact Shapley value of quality; all coalitions are needed" in text
        assert "copyright-gym validate attribution --pack portrait --missing FOLDER" in text
    works = report["works"]
    if works is None:
        assert "linear datamodeling score: not measured" in text
    else:
        assert f"{works['subsets']} subsets x {works['seeds']} seeds retrained" in text
        row = next(line for line in text.splitlines() if line.startswith("trak  "))
        assert float(row.split()[1]) == works["lds"]["trak"]["ridge"]


def test_several_packs_are_pooled_and_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packs = ["--pack", "portrait", "cartoon"]
    assert main(["validate", "attribution", *packs, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [pack["pack"] for pack in report["packs"]] == ["portrait", "cartoon"]
    assert main(["validate", "attribution", *packs]) == 0
    text = capsys.readouterr().out
    assert "quality when bought alone, 16 holders of 2 packs" in text
    row = report["pooled"]["alone"]["correlations"]["surrogate, alone"]
    assert f"{row['spearman']:.2f}  [{row['low']:5.2f}, {row['high']:5.2f}]" in text
    assert main(["validate", "attribution", *packs, "--missing", str(tmp_path)]) == 1
    assert "measure one pack at a time, got 2" in capsys.readouterr().err


def test_figures_are_read_without_the_libraries_that_measure() -> None:
    code = (
        "import sys; from copyright_gym.cli import main; "
        "assert main(['validate', 'attribution', '--json']) == 0; "
        "sys.exit(not {'torch', 'scipy', 'diffusers', 'trak'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_pack_with_other_copyright_networks_is_measured_in_its_own_build_folder(
    tmp_path: Path,
) -> None:
    pack = load_pack("portrait")
    facts = pack.provenance
    parts = CopyrightParts(perceptual="lpips")
    own = replace(pack, provenance={**facts, "copyright": parts.named()})

    def build(folder: Path, parts: CopyrightParts) -> None:
        folder.mkdir()
        pin_settings(
            folder / "settings.json", pack_recipe(pack), facts["base"],
            FinetuneSettings(**facts["finetune"]), Sampling(**facts["sampling"]),
            facts["feature"], parts,
        )  # fmt: skip

    build(tmp_path / "own", parts)
    pin_pack(own, tmp_path / "own", NOTHING, pack_parts(own))
    build(tmp_path / "default", CopyrightParts())
    before = (tmp_path / "default" / "settings.json").read_bytes()
    pin_pack(pack, tmp_path / "default", NOTHING, pack_parts(pack))
    assert (tmp_path / "default" / "settings.json").read_bytes() == before
    with pytest.raises(OptionError, match="different: copyright"):
        pin_pack(own, tmp_path / "default", NOTHING, pack_parts(own))


def test_records_of_other_settings_are_not_mixed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"finetune": {"epochs": 3.0}, "feature": "efficientnet-lite0"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert main(["validate", "attribution", "--fresh", str(tmp_path)]) == 1
    assert "made with other settings (different: finetune" in capsys.readouterr().err


def test_more_holders_than_coalitions_can_be_tried_of_keep_what_the_pack_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(validate_attribution, "MOST_HOLDERS", 7)
    estimates = {"made up": [1.0] * 8}
    monkeypatch.setattr(
        validate_attribution, "measure_works", lambda *_: [{"estimates": estimates}]
    )
    assert main(["validate", "attribution", "--fresh", str(tmp_path), "--json"]) == 0
    told = capsys.readouterr()
    assert "8 holders have too many coalitions" in told.err
    report = json.loads(told.out)
    assert "made up" in report["holders"]["correlations"]["alone"]
    assert json.loads((tmp_path / "attribution.json").read_text()) == {"estimates": estimates}
    assert not (tmp_path / "coalitions.parquet").exists()


def test_a_pack_without_real_runs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = load_pack("portrait")
    for name in ("manifest.json", "scores.npz", "surrogate.npz"):
        (tmp_path / name).write_bytes((pack.folder / name).read_bytes())
    assert main(["validate", "attribution", "--pack", str(tmp_path)]) == 1
    assert "has no corpus.parquet" in capsys.readouterr().err
    fresh = ["--fresh", str(tmp_path / "records")]
    assert main(["validate", "attribution", "--pack", str(tmp_path), *fresh]) == 1
    assert "has no base model" in capsys.readouterr().err
    assert not (tmp_path / "records").exists()
