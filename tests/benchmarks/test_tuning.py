"""The comparison of parameters is a mean of plays."""

import numpy as np

from copyright_gym import MarketConfig, play
from copyright_gym.benchmarks.tuning import FIRST_SEED, GRIDS, tune


def test_defaults_score_as_played_by_name() -> None:
    table = tune(["portrait", "clipart"], [0.4, 0.8], episodes=3)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert len(rows) == 2 + sum(len(grid.values) for grid in GRIDS)
    seeds = range(FIRST_SEED, FIRST_SEED + 3)
    for name, parameter, *_ in GRIDS:
        means = [
            np.mean(
                [
                    play(MarketConfig(pack=pack, rho=rho), *name.split("+"), seeds).quality[:, -1]
                    for pack in ("portrait", "clipart")
                ]
            )
            for rho in (0.4, 0.8)
        ]
        expected = [f"{number:.4f}" for number in (np.mean(means), *means)]
        assert expected in [
            row[2:] for row in rows if row[0] == name and row[1].startswith(parameter)
        ]
