"""Misreporting: what must hold for posted prices, and by hand."""

import json

import numpy as np
import pytest

from copyright_gym import MarketConfig, cli, play
from copyright_gym.benchmarks.misreporting import (
    REPORTS,
    holder_gain,
    misreporting_gains,
    policy_gain,
    utilities,
)
from copyright_gym.errors import OptionError


def test_honest_utility_agrees_with_play(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack)
    episodes = play(config, "uniform", "greedy", range(20))
    gains = (episodes.payments - np.where(episodes.bought, episodes.expectations, 0)).sum(axis=1)
    for holder in (0, 7):
        found = utilities(config, "uniform+greedy", range(20), holder, 1.0)
        np.testing.assert_allclose(found, gains[:, holder], atol=1e-12)


def test_one_posted_price_is_truthful_and_learning_is_not(synthetic_pack: str) -> None:
    # One round and money for all: offers depend on no answer.
    once = MarketConfig(pack=synthetic_pack, rounds=1, rho=3.0)
    assert misreporting_gains(once, "all+greedy", range(30))[1].max() <= 1e-12
    often = MarketConfig(pack=synthetic_pack, rho=3.0)
    # Bisection pays more to those who refuse at first.
    gains = misreporting_gains(often, "all+adaptive", range(30))[1]
    assert gains.mean(axis=2).max(axis=1).min() > 0


def test_joint_policies_and_bad_input(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack, holders=2, rounds=2)
    honest, gains = misreporting_gains(config, "random", range(10), [0.9, 1.1, 2.0])
    assert honest.shape == (2, 10)
    assert gains.shape == (2, 3, 10)
    with pytest.raises(OptionError, match="sigma must be above 0"):
        utilities(MarketConfig(pack=synthetic_pack, sigma=0.0), "all+greedy", [0], 0, 1.1)


def test_the_best_report_is_chosen_and_measured_on_different_markets() -> None:
    gains = np.array([[4.0, 4.0, 0.0, 0.0], [1.0, 1.0, 3.0, 5.0]])
    found = holder_gain("A", np.arange(4.0), gains, [0.5, 2.0])
    assert found.honest.estimate == 1.5
    assert [gain.estimate for gain in found.gains.values()] == [2.0, 2.5]
    # 0.5 looks best at first and gains nothing later.
    assert (found.best_report, found.best_gain.estimate) == (0.5, 0.0)
    assert holder_gain("A", np.zeros(4), -gains, [0.5, 2.0]).best_report == 1.0


def test_the_mean_over_holders() -> None:
    gains = np.zeros((3, 2, 4))
    gains[0] = [[4.0, 4.0, 0.0, 0.0], [1.0, 1.0, 3.0, 5.0]]  # chooses the first: gains 0, 0
    gains[1] = [[-1.0, -1.0, 9.0, 9.0], [1.0, 1.0, 2.0, 4.0]]  # chooses the second: gains 2, 4
    gains[2] = -1.0  # is honest
    found = policy_gain(np.array([[1.0] * 4, [2.0] * 4, [6.0] * 4]), gains)
    assert found.honest.estimate == 3.0
    assert found.gainers == 1
    assert found.best_gain.estimate == 1.0


def test_the_command(synthetic_pack: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "misreport", "--pack", synthetic_pack, "--episodes", "6", "--rho", "0.6"]
    assert cli.main([*words, "--policies", "uniform+greedy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["pack"], found["rho"], found["episodes"]) == ("synthetic", 0.6, 6)
    rows = found["policies"]["uniform+greedy"]
    assert [row["holder"] for row in rows] == [f"Holder {i}" for i in range(8)]
    config, seeds = MarketConfig(pack=synthetic_pack, rho=0.6), range(1_000_000, 1_000_006)
    gain = utilities(config, "uniform+greedy", seeds, 3, 1.25)
    gain -= utilities(config, "uniform+greedy", seeds, 3, 1.0)
    assert rows[3]["gains"]["1.25"][0] == pytest.approx(gain.mean())
    honest = [row["honest"][0] for row in rows]
    assert found["means"]["uniform+greedy"]["honest"][0] == pytest.approx(np.mean(honest))
    assert cli.main([*words, "--policies", "A=uniform+greedy", "uniform+uniform"]) == 0
    title, overview, *tables = capsys.readouterr().out.strip().split("\n\n")
    assert "6 markets" in title
    assert [line.split("|")[1].strip() for line in overview.splitlines()[2:]] == [
        "A",
        "uniform+uniform",
    ]
    assert [len(table.splitlines()) for table in tables] == [2 + 8] * 2
    assert tables[0].splitlines()[0].count("|") == len(REPORTS) + 5
    assert cli.main([*words, "--policies", "hierarchical"]) == 1
    assert "'hierarchical' must be trained first" in capsys.readouterr().err
