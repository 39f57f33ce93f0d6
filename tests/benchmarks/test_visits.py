import json
from pathlib import Path

import numpy as np
import pytest

from copyright_gym.agents.baselines import make_pair
from copyright_gym.art.corpus import Run, visited_runs
from copyright_gym.cli import main
from copyright_gym.config import MarketConfig
from copyright_gym.rollout import play
from copyright_gym.visits import Visitors, visited_histories

PAIRS = [
    Visitors(pair.name, pair.round_policy, pair.holder_policy)
    for pair in (make_pair("uniform+greedy"), make_pair("greedy+uniform"))
]
CONFIG = MarketConfig(pack="portrait")


def test_histories_are_what_the_policies_bought() -> None:
    found = visited_histories(PAIRS, CONFIG, [0.4, 0.8], count=10, seed=50)
    assert len(found) == len({json.dumps(entry["history"]) for entry in found}) == 10
    assert {(entry["policy"], entry["rho"]) for entry in found} == {
        (pair.name, rho) for pair in PAIRS for rho in (0.4, 0.8)
    }
    by_name = {pair.name: pair for pair in PAIRS}
    for entry in found:
        pair = by_name[entry["policy"]]
        config = MarketConfig(pack="portrait", rho=entry["rho"])
        seeds = range(50, 50 + 4 * (10 // 4 + 1))
        played = play(config, pair.round_policy, pair.holder_policy, seeds)
        bought = played.bought[seeds.index(entry["market_seed"])]
        assert entry["history"] == [np.flatnonzero(row).tolist() for row in bought]


def test_the_command_adds_to_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "visits.json"
    command = ["packs", "visits", "--policies", "uniform+greedy", "--count", "3", "--out", str(out)]
    main([*command, "--market-seed", "1"])
    first = json.loads(out.read_text())
    main([*command, "--market-seed", "9"])
    assert len(first) == 3
    assert json.loads(out.read_text())[:3] == first
    assert len(json.loads(out.read_text())) == 6
    assert str(out) in capsys.readouterr().out


def test_policies_that_know_the_market_are_given_its_options(tmp_path: Path) -> None:
    out = tmp_path / "visits.json"
    visits = ["packs", "visits", "--policies", "all+model-adaptive", "--rho", "0.2", "--count", "1"]
    main([*visits, "--market-seed", "7", "--out", str(out)])
    (entry,) = json.loads(out.read_text())
    played = play(MarketConfig(pack="portrait", rho=0.2), "all", "model-adaptive", range(7, 15))
    bought = played.bought[entry["market_seed"] - 7]
    assert entry["history"] == [np.flatnonzero(row).tolist() for row in bought]


def test_every_ninth_visited_history_is_played_twice() -> None:
    histories = [((i,),) for i in range(10)]
    runs = visited_runs(histories)
    assert runs[:10] == [Run(history, 2000 + i) for i, history in enumerate(histories)]
    assert runs[10:] == [Run(((0,),), 3000), Run(((9,),), 3009)]
