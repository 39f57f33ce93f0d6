import json
from copy import copy as shallow_copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, spearmanr

from copyright_gym.art import similarity, validate_copyright
from copyright_gym.art.copies import GRADES, graded_copies
from copyright_gym.art.copy_report import HolderScores, Split, copy_report
from copyright_gym.art.copy_trials import TrialMaker
from copyright_gym.art.copyright_tables import copyright_tables
from copyright_gym.art.detection import auc, bootstrap, interval, true_positive_rate
from copyright_gym.art.dicebear_works import draw_works
from copyright_gym.art.lot_scores import DEFAULT_PARTS, CopyrightParts
from copyright_gym.art.pack_studio import NOTHING, pin_pack
from copyright_gym.art.studio import Studio
from copyright_gym.art.validate_copyright import Plan, lot_report, measure_studio
from copyright_gym.art.validate_image_text import measure_image_text
from copyright_gym.art.works import Works
from copyright_gym.cli import main
from copyright_gym.errors import OptionError
from copyright_gym.pack import find_pack, load_pack

PLAN = Plan(
    sources=2,
    negatives=1,
    draws=20,
    memorised_holders=1,
    memorised_works=2,
    memorisation_steps=(0, 2),
    memorisation_seeds=2,
)
WORKS = draw_works("micah", 6).images
OTHERS = draw_works("big-smile", 6).images


def test_auc_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    copies, negatives = rng.integers(6, size=40) / 5, rng.integers(5, size=30) / 5
    pairs = [(c > n) + (c == n) / 2 for c in copies for n in negatives]
    assert auc(copies, negatives) == pytest.approx(np.mean(pairs))
    statistic = mannwhitneyu(copies, negatives).statistic
    assert auc(copies, negatives) == pytest.approx(statistic / 1200)


def test_true_positive_rate_lets_at_most_the_given_share_pass() -> None:
    negatives = np.arange(200.0)
    copies = np.array([10.0, 197.0, 197.5, 198.0, 300.0])
    # Two of 200 negatives may pass: the threshold is the third highest, 197.
    assert true_positive_rate(copies, negatives) == pytest.approx(3 / 5)
    assert true_positive_rate(copies, negatives, 0.0) == pytest.approx(1 / 5)
    assert true_positive_rate(np.ones(3), np.ones(5)) == 0


def test_bootstrap_draws_works_and_repeats() -> None:
    values = np.random.default_rng(1).normal(size=400)
    means = bootstrap(lambda works: float(values[works].mean()), 400, 2000)
    assert np.array_equal(means, bootstrap(lambda works: float(values[works].mean()), 400, 2000))
    low, high = interval(means)
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_copies_are_graded() -> None:
    copies = graded_copies(WORKS, OTHERS, np.random.default_rng(0))
    again = graded_copies(WORKS, OTHERS, np.random.default_rng(0))
    assert len(copies) == len(GRADES)
    difference: dict[str, list[float]] = {}
    for copy, same in zip(copies, again, strict=True):
        assert np.array_equal(copy.images, same.images)
        assert copy.images.shape == WORKS.shape
        assert copy.images.dtype == np.uint8
        distance = np.abs(copy.images.astype(float) - WORKS).mean()
        assert (distance == 0) == (copy.transform == "identity")
        difference.setdefault(copy.transform, []).append(float(distance))
    for name in ("noise", "blending", "colour", "jpeg", "cutmix", "palette"):
        assert difference[name] == sorted(difference[name])
    by_name = {(copy.transform, copy.strength): copy.images for copy in copies}
    assert np.array_equal(by_name["flip", 0.9][:, :, ::-1], WORKS)
    pasted = (by_name["cutmix", 0.5] == OTHERS).all(axis=3) & (WORKS != OTHERS).any(axis=3)
    kept = (by_name["cutmix", 0.5] == WORKS).all(axis=3)
    assert (pasted | kept).all()
    assert kept.mean() >= 0.45


def test_a_new_palette_keeps_what_is_drawn() -> None:
    recoloured = graded_copies(WORKS, OTHERS, np.random.default_rng(0))
    images = next(c.images for c in recoloured if (c.transform, c.strength) == ("palette", 0.5))
    for work, other, image in zip(WORKS, OTHERS, images, strict=True):
        colours = {tuple(colour) for colour in other.reshape(-1, 3)}
        assert {tuple(colour) for colour in image.reshape(-1, 3)} <= colours
        before, after = (x.sum(axis=2, dtype=int).ravel() for x in (work, image))
        order = np.argsort(before, kind="stable")
        assert (np.diff(after[order]) >= 0).all()


def _scores(rng: np.random.Generator, gain: float) -> HolderScores:
    kinds = np.array([["caption"] * 3, ["nearest", "same picture", "nearest"], ["holder"] * 3])
    noise = {name: rng.uniform(size=(5, 3)) for name in ("semantic", "perceptual")}
    for values in noise.values():
        values[:2] += gain
    plain = ("pixel L2", "SSIM", "pooled features", "LPIPS-style stages")
    other = {name: rng.uniform(size=(5, 3)) for name in plain}
    return HolderScores(np.array(["identity", "noise"]), np.array([1.0, 0.2]), kinds, noise | other)


def test_report_counts_strong_copies_and_true_negatives() -> None:
    rng = np.random.default_rng(2)
    scores = {
        split: [_scores(rng, gain) for gain in (0.1, 0.5)] for split in ("validation", "test")
    }
    report = copy_report(scores, draws=30)
    metric = [(part.scores["semantic"] + part.scores["perceptual"]) / 2 for part in scores["test"]]
    copies = np.concatenate([values[0] for values in metric])
    negatives = np.concatenate(
        [values[2:][part.kinds != "same picture"] for values, part in
         zip(metric, scores["test"], strict=True)]
    )  # fmt: skip
    row = report["measures"]["copyright metric"]
    assert row["auc"] == pytest.approx(auc(copies, negatives))
    strengths = np.concatenate([np.repeat(part.strengths, 3) for part in scores["test"]])
    order = spearmanr(strengths, np.concatenate([values[:2].ravel() for values in metric]))
    assert row["spearman"] == pytest.approx(order.statistic)
    assert row["tpr_at_1_percent_fpr"] == true_positive_rate(copies.ravel(), negatives)
    for figure in ("auc", "tpr_at_1_percent_fpr", "spearman"):
        assert row[f"{figure}_low"] <= row[figure] <= row[f"{figure}_high"]
        assert row[f"{figure}_low"] < row[f"{figure}_high"]
    assert report["negatives"]["same picture"]["count"] == 2
    assert report["negatives"]["concept"] == {"count": 0}
    assert [row["a"] for row in report["weights"]] == [i / 10 for i in range(11)]
    half = report["weights"][5]
    assert half["test_auc"] == pytest.approx(row["auc"])
    best = max(report["weights"], key=lambda row: row["validation_auc"])
    assert report["chosen_a"] == best["a"]
    assert Split(scores["test"]).works == 6


def test_reliability_falls_with_noise_between_seeds() -> None:
    rng = np.random.default_rng(3)
    level = rng.uniform(size=(2, 3))

    def lots(noise: float) -> list[list[np.ndarray]]:
        return [
            [
                x + noise * rng.normal(size=(2, 4, 1)) + np.zeros((2, 4, works))
                for works, x in enumerate(row, 6)
            ]
            for row in level
        ]

    quiet, loud = lot_report(lots(0.01)), lot_report(lots(2.0))
    assert quiet["seeds"] == 4
    assert quiet["reliability"] > 0.95
    assert loud["reliability"] < quiet["reliability"]
    assert np.array(quiet["mean"]) == pytest.approx(level, abs=0.01)


def test_validation_runs_and_goes_on_where_it_stopped(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "aligned_variants", lambda pixels: [pixels])
    report = measure_studio(lambda: studio, PLAN, tmp_path)
    assert report["works"] == {"validation": 4, "test": 4}
    assert report["measures"]["copyright metric"]["auc"] > 0.5
    names = [row["transform"] for row in report["transforms"]]
    assert names.count("image-to-image") == 4
    assert report["transforms"][0]["score"] == pytest.approx(1, abs=1e-3)
    assert report["negatives"]["caption"]["count"] == 4
    assert [row["steps"] for row in report["memorisation"][0]["stages"]] == [0, 2]
    assert np.shape(report["lots"]["mean"]) == (2, 2)

    def fail(*arguments: object) -> None:
        raise AssertionError("a stored score was measured again")

    monkeypatch.setattr(validate_copyright, "measure", fail)
    monkeypatch.setattr(validate_copyright, "memorisation_curve", fail)
    again = measure_studio(lambda: studio, PLAN, tmp_path)
    assert json.dumps(again) == json.dumps(report)


def test_command_prints_and_plots_what_the_pack_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "weights.svg"
    main(["validate", "copyright", "--pack", "portrait", "--plot", str(plot)])
    text = capsys.readouterr().out
    assert "weight a chosen on validation works" in text
    assert "<svg" in plot.read_text()
    main(["validate", "copyright", "--pack", "portrait", "--json"])
    report = json.loads(capsys.readouterr().out)
    metric = report["measures"]["copyright metric"]
    assert f"{metric['auc']:.3f} [{metric['auc_low']:.3f}, {metric['auc_high']:.3f}]" in text
    assert report["works"]["test"] == 113
    for kind in ("image-to-image", "caption", "nearest", "reliability of the means    0.89"):
        assert kind in text
    spearman = tuple(metric[name] for name in ("spearman", "spearman_low", "spearman_high"))
    assert "{:.3f} [{:.3f}, {:.3f}]".format(*spearman) in text
    lots = np.array(report["lots"]["mean"])
    assert f"std between lots            {lots.std(ddof=1):.3f}" in text
    half = report["weights"][5]
    assert f"     0.5  {half['validation_auc']:14.4f}  {half['test_auc']:8.4f}" in text


def test_networks_without_a_measurement_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "copyright", "--perceptual", "lpips-alex"]) == 1
    assert "give --fresh FOLDER too" in capsys.readouterr().err


def test_figures_that_an_older_report_lacks_are_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["validate", "copyright", "--pack", "portrait", "--json"])
    report = json.loads(capsys.readouterr().out)
    metric = report["measures"]["copyright metric"]
    for name in ("spearman_low", "spearman_high"):
        metric.pop(name, None)
    assert f"  {metric['spearman']:.3f} -" in "\n".join(copyright_tables(report))


def test_a_folder_keeps_to_one_pack_and_its_networks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Both packs have the same settings and base model; only their works differ.
    cartoon, clipart = (load_pack(find_pack(name)) for name in ("cartoon", "clipart"))
    for _ in range(2):
        pin_pack(cartoon, tmp_path, NOTHING, DEFAULT_PARTS)
    message = "those of pack 'cartoon'; choose another folder for pack 'clipart'"
    with pytest.raises(OptionError, match=message):
        pin_pack(clipart, tmp_path, NOTHING, DEFAULT_PARTS)
    with pytest.raises(OptionError, match=message):
        measure_image_text(clipart.folder, tmp_path)
    fresh = ["validate", "copyright", "--fresh", str(tmp_path), "--pack"]
    assert main([*fresh, "clipart"]) == 1
    assert message in capsys.readouterr().err
    assert main([*fresh, "cartoon", "--perceptual", "lpips-alex"]) == 1
    assert "other settings (different: copyright" in capsys.readouterr().err


def test_networks_are_named_for_a_fresh_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[CopyrightParts] = []

    def load(parts: CopyrightParts) -> None:
        seen.append(parts)
        raise OptionError("enough")

    monkeypatch.setattr(CopyrightParts, "load", load)
    weights = f"open_clip:ViT-B-32:{tmp_path / 'weights.pt'}"
    fresh = ["validate", "copyright", "--fresh", str(tmp_path / "work")]
    assert main([*fresh, "--semantic", weights]) == 1
    assert "enough" in capsys.readouterr().err
    assert seen == [CopyrightParts(semantic=weights)]


def test_trials_need_neither_concepts_nor_many_works(studio: Studio) -> None:
    maker = TrialMaker(studio, sources=2, negatives=9)
    own = np.flatnonzero(maker.holders == 0)[:2]
    maker.concepts[:] = ""
    _, kinds = maker._negatives(own, 0, np.random.default_rng(0))
    assert not (kinds == "concept").any()
    others = (maker.holders == 0).sum() - 1
    assert 0 < (kinds == "holder").sum(axis=0).max() <= others < 9
    maker.concepts[:] = "a boat"
    _, kinds = maker._negatives(own, 0, np.random.default_rng(0))
    assert (kinds == "concept").any()


def test_pictures_that_were_seen_before_are_not_tried(studio: Studio) -> None:
    first, last = ([Works(lot.images.copy(), lot.captions) for lot in lots]
                   for lots in studio.collection.lots)  # fmt: skip
    last[0].images[1] = np.clip(first[1].images[2].astype(int) + 3, 0, 255)  # of another holder
    last[0].images[3] = last[0].images[0]
    last[1].images[3] = first[1].images[0]
    seen = shallow_copy(studio)
    seen.collection = replace(studio.collection, lots=(tuple(first), tuple(last)))
    maker = TrialMaker(seen, sources=2, negatives=1)
    # Each lot has two validation works, then two test works.
    assert maker.chosen("validation", 0).tolist() == [0]
    assert maker.chosen("test", 0).tolist() == [2]
    assert maker.chosen("validation", 1).tolist() == [0, 1]
    assert maker.chosen("test", 1).tolist() == [2]
    trials = maker.trials("test", 0)
    assert np.array_equal(trials.works, last[0].images[2:3])
    # The first copy is the work itself; all of a work's trials stay with it.
    assert np.array_equal(trials.candidates[0], trials.works)
    assert trials.candidates.shape[1] == trials.kinds.shape[1] == 1
    # The holder's other works serve as negatives, seen or not.
    assert (trials.kinds == "holder").sum() == 1

    last[0].images[0] = first[0].images[0]
    with pytest.raises(OptionError, match="no validation work that shows a new picture"):
        TrialMaker(seen, sources=2, negatives=1).trials("validation", 0)


def test_without_such_pictures_the_first_works_of_each_half_are_tried(studio: Studio) -> None:
    for sources in (1, 2, 9):
        maker = TrialMaker(studio, sources, negatives=1)
        for holder in range(2):
            assert maker.chosen("validation", holder).tolist() == [0, 1][:sources]
            assert maker.chosen("test", holder).tolist() == [2, 3][:sources]
