"""Ranking and chart from rows."""

from pathlib import Path

import numpy as np
import pytest

from copyright_gym.benchmarks.report import rank, ranking_chart, ranking_table
from copyright_gym.errors import OptionError


def make_rows(n: int = 40) -> dict[str, list[object]]:
    """Three policies; "good" is always 0.1 above "base", on the same markets in another order."""
    market = np.random.default_rng(0).random(n)
    rows: dict[str, list[object]] = {
        name: [] for name in ("policy", "pack", "rho", "seed", "quality", "spent", "acceptance")
    }
    for policy, gain, order in (
        ("base", 0.0, range(n)),
        ("good", 0.1, reversed(range(n))),
        ("bad", -0.2, range(n)),
    ):
        for i in order:
            row = (policy, "p", 0.2 if i % 2 else 0.4, i // 2, market[i] + gain, 0.5, 0.25)
            for name, value in zip(rows, row, strict=True):
                rows[name].append(value)
    return rows


def test_rank_pairs_the_same_markets() -> None:
    standings = rank(make_rows(), "base")
    assert [s.policy for s in standings] == ["good", "base", "bad"]
    assert standings[0].lead == pytest.approx((0.1, 0.1, 0.1))
    assert standings[1].lead is None
    assert standings[2].lead == pytest.approx((-0.2, -0.2, -0.2))
    assert standings[0].quality.low < standings[0].quality.estimate < standings[0].quality.high
    assert rank(make_rows(), "base") == standings


def test_different_markets_are_refused() -> None:
    rows = make_rows()
    rows["seed"][0] = 1000
    with pytest.raises(OptionError, match="different markets"):
        rank(rows, "base")
    with pytest.raises(OptionError, match="known: base, good, bad"):
        rank(make_rows(), "best")
    uneven = make_rows()
    uneven["rho"] = [
        0.4 if value == 0.4 or seed == 0 else 0.2
        for value, seed in zip(uneven["rho"], uneven["seed"], strict=True)
    ]
    with pytest.raises(OptionError, match="same number of markets"):
        rank(uneven, "base")


def test_table() -> None:
    standings = rank(make_rows(), "base")
    text = ranking_table(standings).splitlines()
    assert len(text) == 4
    assert text[1].startswith("1  good")
    assert "+0.1000 [+0.1000, +0.1000]" in text[1]
    assert "50%" in text[1]


def test_chart(tmp_path: Path) -> None:
    ranking_chart(rank(make_rows(), "base"), "title", tmp_path / "new" / "ranking.png")
    assert (tmp_path / "new" / "ranking.png").read_bytes().startswith(b"\x89PNG")
