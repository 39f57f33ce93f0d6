import json
from pathlib import Path

import numpy as np
import pytest

from copyright_gym.art import attribution_causes
from copyright_gym.art.attribution_causes import loss_falls, varied_estimates
from copyright_gym.art.lds import Plan, Retraining
from copyright_gym.art.studio import Studio
from copyright_gym.cli import main

TINY = Plan(reported=2, chosen_on=1, seeds=2, targets=2)


def test_falls_of_loss_are_those_of_the_measured_models(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining = Retraining(studio, TINY, tmp_path / "lds")
    qualities = {(): {0: 0.0}, (0,): {5: 0.1, 3: 0.1}, (1,): {0: 0.1}, (0, 1): {0: 0.2}}
    found = loss_falls(retraining, qualities, tmp_path / "losses")

    def losses(members: tuple[int, ...], seed: int) -> np.ndarray:
        weights = studio.train_round(studio.base_weights, (members,), seed)
        return np.array(retraining.losses(weights))

    none, first, second, both = (
        losses(*run) for run in (((), 0), ((0,), 3), ((1,), 0), ((0, 1), 0))
    )
    alone = np.stack([none - first, none - second])
    left_out = np.stack([second - both, first - both])
    for kind, part in (("held-out", slice(4)), ("generated", slice(4, 8))):
        expected = alone[:, part].mean(axis=1), left_out[:, part].mean(axis=1)
        np.testing.assert_allclose(found[f"true loss fall, alone, {kind}"], expected[0])
        np.testing.assert_allclose(found[f"true loss fall, left out, {kind}"], expected[1])
        np.testing.assert_allclose(
            found[f"true loss fall, mean of both, {kind}"], np.mean(expected, axis=0)
        )
    monkeypatch.setattr(Studio, "train_round", None)
    assert loss_falls(retraining, qualities, tmp_path / "losses") == found


def test_estimates_are_varied_and_gradients_taken_once(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining = Retraining(studio, TINY, tmp_path / "lds")
    monkeypatch.setattr(attribution_causes, "TIMESTEPS", (1, 2))
    monkeypatch.setattr(attribution_causes, "METHODS", ("trak",))
    found = varied_estimates(retraining, tmp_path / "gradients")
    assert len(found) == 2 * 2 * 2 * 2
    assert found["trak, K = 1, held-out"] != found["trak, K = 2, held-out"]
    with np.load(tmp_path / "gradients" / "trak_2.npz") as stored:
        works, targets = (
            x / np.sqrt((x**2).sum(axis=1))[:, None] for x in (stored["works"], stored["targets"])
        )
    gram = works.T @ works
    gram += 10.0 * np.diag(gram).mean() * np.eye(len(gram))
    scores = works @ np.linalg.solve(gram, targets.T)
    expected = scores[:, :4].sum(axis=1).reshape(2, 4).sum(axis=1)
    np.testing.assert_allclose(found["trak, K = 2, unit, held-out"], expected, rtol=1e-6)
    monkeypatch.setattr(attribution_causes, "gradient_features", None)
    assert varied_estimates(retraining, tmp_path / "gradients") == found


def test_the_command_compares_and_pools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(attribution_causes, "pack_studio", lambda *_: None)
    monkeypatch.setattr(attribution_causes, "Retraining", lambda *_: None)
    falls = {"true loss fall, alone, held-out": [float(i) for i in range(8)]}
    monkeypatch.setattr(attribution_causes, "loss_falls", lambda *_: falls)
    varied = {"trak, K = 1, held-out": [8.0 - i for i in range(8)]}
    monkeypatch.setattr(attribution_causes, "varied_estimates", lambda *_: varied)
    command = ["validate", "attribution-causes", "--records", str(tmp_path)]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["holders"]["correlations"]["alone"]
    first, second = (report[name] for name in (*falls, *varied))
    assert first["spearman"] == pytest.approx(-second["spearman"])
    assert (tmp_path / "portrait" / "settings.json").exists()
    assert main(command) == 0
    text = capsys.readouterr().out
    assert f"true loss fall, alone, held-out             {first['spearman']:8.2f}" in text
    assert main([*command, "--pack", "portrait", "cartoon"]) == 0
    assert "16 holders of 2 packs" in capsys.readouterr().out
