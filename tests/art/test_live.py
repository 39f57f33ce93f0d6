"""The embedded pack against real fine-tuning on this machine."""

import json
from pathlib import Path

import numpy as np
import pytest

from copyright_gym.art.live import LiveQuality, play_live
from copyright_gym.art.pack_studio import pack_studio
from copyright_gym.art.studio import Studio
from copyright_gym.cli import main
from copyright_gym.pack import Pack, load_pack
from copyright_gym.policies import make_policy


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack("portrait")


@pytest.fixture(scope="module")
def live_studio(pack: Pack) -> Studio:
    return pack_studio(pack)


def test_a_stored_measurement_is_reproduced(
    pack: Pack, live_studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copyright_gym.art.live.pack_studio", lambda *_: live_studio)
    stored = json.loads((pack.folder / "signal.json").read_text())["coalitions"]
    expected = next(row["quality"][0] for row in stored if row["holders"] == [7])
    bought = np.zeros((1, pack.rounds, len(pack.holders)), bool)
    bought[0, 0, 7] = True
    live = LiveQuality(pack, tmp_path, seed=0)
    # Other processors round differently, and training amplifies it up to the noise between seeds.
    assert live.quality(bought)[0] == pytest.approx(expected, abs=4 * pack.quality.noise_std)
    assert live.quality(np.zeros_like(bought))[0] == 0.0

    def fail(*arguments: object) -> None:
        raise AssertionError("a stored history was measured again")

    monkeypatch.setattr(Studio, "measure", fail)
    again = LiveQuality(pack, tmp_path, seed=0)
    assert again.quality(bought) == live.quality(bought)


def test_a_live_episode_prints_predicted_and_measured_quality(
    pack: Pack,
    live_studio: Studio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("copyright_gym.art.live.pack_studio", lambda *_: live_studio)
    monkeypatch.setenv("COPYRIGHT_GYM_CACHE", str(tmp_path))
    monkeypatch.setattr(Studio, "train_round", lambda self, weights, *_: weights)
    monkeypatch.setattr(Studio, "measure", lambda self, _: 0.75 * pack.quality.base_distance)
    play_live("portrait", make_policy("uniform", "round"), make_policy("greedy", "holder"), 0)
    table = capsys.readouterr().out.split("measured\n")[1].splitlines()[: pack.rounds]
    rows = [line.split() for line in table]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert sum(int(row[1]) for row in rows) > 0
    assert rows[-1][3] == "0.2500"


def test_signal_of_the_embedded_pack(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "signal", "--pack", "portrait", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["variance_ratio"] >= 100
    assert report["all_rounds_reduction"] >= 0.4
    assert report["single_holder_worst"] >= -0.1
    gains = np.array(report["round_gain_mean"][1:4])
    assert (gains > 2 * np.array(report["round_gain_standard_error"][1:4])).all()
    assert np.ptp(list(report["single_holder_quality"].values())) > 5 * report["seed_noise_std"]


def test_a_pack_without_a_signal_says_how_to_measure_it(
    synthetic_pack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "signal", "--pack", synthetic_pack]) == 1
    assert "--fresh FOLDER" in capsys.readouterr().err
