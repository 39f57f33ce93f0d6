"""Transfer: trained once, played elsewhere; who cannot play says why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from copyright_gym import cli, play
from copyright_gym.agents.provenance import pack_fingerprint
from copyright_gym.agents.q_policy import load_q_policy
from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.grid import NOT_PLAYED, read_grid, run_grid
from copyright_gym.config import MarketConfig
from copyright_gym.pack import load_pack


def test_the_command(
    synthetic_pack: str, brief_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The training of a benchmark in the same folder is used again.
    cells = make_cells(
        ["uniform+learned"],
        packs=[synthetic_pack],
        rhos=[0.4],
        seeds=[0],
        steps=3000,
        evaluation_seed=0,
        episodes=4,
    )
    run_grid(cells, tmp_path)
    words = [
        "bench",
        "transfer",
        "--pack",
        synthetic_pack,
        "--holders",
        "3",
        "12",
        "--churn",
        "0.3",
    ]
    words += ["--policies", "uniform+learned", "greedy+learned-as-method", "uniform+adaptive"]
    words += ["all+singer"]
    file = brief_weights / "uniform-learned.safetensors"
    words += [f"mine=uniform+{file}", "--steps", "3000", "--episodes", "4", "--out", str(tmp_path)]
    assert cli.main(words) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].count("rho 0.4") == 5
    assert len(list((tmp_path / "trained").iterdir())) == 2
    rows = read_grid(tmp_path, "transfer").to_pandas()
    assert len(rows) == 5 * 5 * 4
    settings = rows["settings"].map(json.loads)
    trained = settings.map(lambda s: (s.get("trained_on"), s.get("trained_on_sha256")))
    said = {policy: set(its) for policy, its in trained.groupby(rows["policy"])}
    pack = load_pack(synthetic_pack)
    here = {(pack.name, pack_fingerprint(pack))}
    card = load_q_policy(file).card.provenance
    assert said == {
        "uniform+learned": here,
        "greedy+learned-as-method": here,
        "uniform+adaptive": {(None, None)},
        "all+singer": {(None, None)},
        "mine": {(card["pack"], card["pack_sha256"])},
    }
    assert [line.split(" | ")[0] for line in table[2:7]] == [
        "| all+singer",
        "| greedy+learned-as-method (synthetic)",
        f"| mine ({card['pack']})",
        "| uniform+adaptive",
        "| uniform+learned (synthetic)",
    ]
    lost = settings.map(lambda s: NOT_PLAYED in s)
    # The one that remembers 8 holders plays on its own pack only. Who counts gains per unit of
    # cost does not play where holders who are away have lots without a price.
    expected = (rows["policy"] == "greedy+learned-as-method") & (rows["pack"] != "synthetic")
    expected |= (rows["policy"] == "all+singer") & rows["pack"].str.contains("churn")
    assert (lost == expected).all()
    assert (rows["quality"].isna() == lost).all()
    line = next(line for line in table if line.startswith("| greedy+learned-as-method"))
    assert line.count("–") == 4
    assert any("'all+singer' counts gains per unit of cost" in line for line in table)
    assert any("8 holders that it was trained with, not with 12" in line for line in table)
    assert table[-1].startswith("Not trained on equally many steps (holder decisions): greedy")
    assert f", mine ({card['pack']}) {card['steps']:,}, uniform+learned" in table[-1]
    # Others are not held up by the benchmark's own cells, nor the other way round.
    assert len(read_grid(tmp_path)) == 4
    own = rows[(rows["policy"] == "uniform+learned") & (rows["pack"] == "synthetic")]
    np.testing.assert_array_equal(own["quality"], read_grid(tmp_path).to_pandas()["quality"])
    big = rows[
        (rows["policy"] == "uniform+adaptive") & (rows["pack"] == "12-holders-like-synthetic")
    ]
    config = MarketConfig(pack=str(tmp_path / "packs" / "12-holders-like-synthetic"))
    again = play(config, "uniform", "adaptive", big["seed"].tolist())
    np.testing.assert_array_equal(big["quality"], again.quality[:, -1])
