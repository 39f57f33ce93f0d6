import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from tiny_studio import make_studio

from copyright_gym.art import lds
from copyright_gym.art.lds import (
    Plan,
    Retraining,
    bootstrap_interval,
    noise_ceiling,
    record_path,
    retrain,
    stored_losses,
    target_correlations,
)
from copyright_gym.art.rank_correlation import spearman
from copyright_gym.art.studio import Studio
from copyright_gym.art.validate_attribution import (
    RIDGES,
    holder_estimates,
    measure_works,
    works_report,
)
from copyright_gym.errors import BuildError

TINY = Plan(reported=2, chosen_on=1, seeds=2, targets=2)


def test_half_of_the_works_are_in_each_subset() -> None:
    subsets = Plan().subsets(256)
    assert subsets.shape == (80, 256)
    assert (subsets.sum(axis=1) == 128).all()
    assert len(np.unique(subsets, axis=0)) == 80


def test_spearman_agrees_with_scipy() -> None:
    first, second = np.random.default_rng(0).integers(0, 5, (2, 12, 3)).astype(float)
    expected = [scipy.stats.spearmanr(first[:, i], second[:, i]).statistic for i in range(3)]
    np.testing.assert_allclose(spearman(first, second), expected)
    assert spearman(np.ones((4, 1)), np.arange(4.0)[:, None]) == [0.0]


def test_attributions_that_made_the_losses_correlate_fully() -> None:
    rng = np.random.default_rng(0)
    subsets, scores = Plan().subsets(60), rng.normal(size=(60, 4))
    losses = 5 - subsets @ scores
    assert target_correlations(scores, subsets, losses) == pytest.approx(np.ones(4))
    low, high = bootstrap_interval(scores, subsets, losses, draws=20)
    assert low == pytest.approx(1)
    assert high == pytest.approx(1)


def test_the_ridge_is_chosen_on_other_subsets_than_those_reported() -> None:
    rng = np.random.default_rng(0)
    subsets, true, other = Plan().subsets(60), *rng.normal(size=(2, 60, 4))
    losses = -(subsets @ true)
    losses[16:] = -(subsets[16:] @ other)
    table = works_report({"d-trak": np.stack([true, other])}, subsets, losses, 16)
    assert table["d-trak"]["ridge"] == RIDGES[0]
    assert abs(table["d-trak"]["generated"]["mean"]) < 0.5


def test_holders_are_scored_by_the_sums_over_their_works() -> None:
    trak = np.arange(33.0).reshape(11, 3, 1)[:, :, [0, 0]] * [1, -1]  # 11 ridges, 3 works
    found = holder_estimates({"trak": trak, "pixels": trak[:1]}, [1, 2])
    ridge = RIDGES.index(10.0)
    assert found["trak, held-out"] == [3 * ridge, 6 * ridge + 3]
    assert found["trak, generated"] == [-3 * ridge, -6 * ridge - 3]
    share = 3 * ridge / (9 * ridge + 3)
    assert found["trak credit, held-out"] == pytest.approx([share, 1 - share])
    assert found["trak credit, generated"] == [0, 0]
    assert found["pixels, held-out"] == [0, 3]
    assert "pixels credit, held-out" not in found


def test_losses_are_those_of_a_direct_computation(studio: Studio, tmp_path: Path) -> None:
    retraining = Retraining(studio, TINY, tmp_path)
    unet, shares = studio.pipeline.unet, studio.pipeline.scheduler.alphas_cumprod
    unet.load_state_dict(retraining.full)
    latents, told = retraining.targets.latents, retraining.targets.conditions
    assert torch.equal(latents[:4], studio._training_set(retraining.held_out).latents)
    generator = torch.Generator().manual_seed(11)
    expected = torch.zeros(8)
    for timestep in (50, 150, 250, 350, 450, 550, 650, 750, 850, 950):
        noise, share = torch.randn(latents.shape, generator=generator), float(shares[timestep])
        with torch.no_grad():
            predicted = unet(
                share**0.5 * latents + (1 - share) ** 0.5 * noise,
                timestep,
                told.tokens,
                added_cond_kwargs={"text_embeds": told.pooled, "time_ids": told.sizes},
            ).sample
        ratio = share / (1 - share)
        expected += min(ratio, 5) / ratio * ((predicted - noise) ** 2).mean((1, 2, 3)) / 10
    assert retraining.losses(retraining.full) == pytest.approx(expected.tolist(), rel=1e-5)


def test_the_ceiling_is_the_correlation_with_what_noise_hides() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(4000, 1, 3))
    losses = true + rng.normal(size=(4000, 3, 3))
    seen = spearman(losses.mean(axis=1), true[:, 0]).mean()
    assert noise_ceiling(losses) == pytest.approx(seen, abs=0.02)
    assert noise_ceiling(np.broadcast_to(true, (4000, 3, 3))) == pytest.approx(1)
    assert noise_ceiling(rng.normal(size=(4000, 3, 3))) < 0.2


def test_retrainings_are_stored_and_not_made_again(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining = Retraining(studio, TINY, tmp_path)
    for pair in TINY.runs():
        retraining.run(*pair)
    path = record_path(tmp_path, 2, 1)
    before = path.read_bytes()
    record = json.loads(before)
    assert record["subset"] == np.flatnonzero(retraining.subsets[2]).tolist()
    path.unlink()
    assert len(list(retrain(make_studio, TINY, tmp_path, workers=1))) == 1
    assert path.read_bytes() == before
    losses = stored_losses(tmp_path, TINY)
    assert losses.shape == (3, 2, 8)
    assert losses.std(axis=0).min() > 0
    assert losses[2, 1].tolist() == record["losses"]
    monkeypatch.setattr(Retraining, "train", None)
    first, second = measure_works(lambda: studio, TINY, tmp_path, workers=1)
    methods = {"d-trak", "trak", "pixels", "pooled features", "random"}
    fine_tuned = {"d-trak, fine-tuned model", "trak, fine-tuned model"}
    assert set(second["works"]["lds"]) == methods | fine_tuned
    held_out = noise_ceiling(losses[1:, :, :4])
    assert second["works"]["ceiling"]["held-out"] == held_out
    assert {name.split(",")[0].removesuffix(" credit") for name in first["estimates"]} == methods
    assert list(measure_works(lambda: studio, TINY, tmp_path, workers=1)) == [first, second]


def _die(pair: tuple[int, int]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_retraining_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lds, "_run", _die)
    monkeypatch.setattr(lds, "_start_worker", print)
    with pytest.raises(BuildError, match="a worker was killed"):
        list(retrain(make_studio, TINY, tmp_path, workers=1))
