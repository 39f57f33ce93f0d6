"""Random as one half of a pair, or both: each pair is trained if it learns, and plays."""

import itertools
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from copyright_gym.agents.q_policy import load_q_policy
from copyright_gym.agents.settings import Settings
from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.contestant_names import expand
from copyright_gym.benchmarks.grid import read_grid, run_grid
from copyright_gym.benchmarks.reproduction import RESULTS, quick_cells

HALVES = ("uniform", "greedy", "learned", "random")
PAIRS = sorted(f"{a}+{b}" for a, b in itertools.product(HALVES, HALVES) if "random" in (a, b))


def run(pack: str, out: Path, *names: str) -> None:
    cells = make_cells(
        names, packs=[pack], rhos=[0.4], seeds=[3], steps=8000, evaluation_seed=0, episodes=5
    )
    run_grid(cells, out)


@pytest.fixture(scope="module")
def bench(synthetic_pack: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a benchmark of all of them, and of a pair with another half."""
    out = tmp_path_factory.mktemp("bench")
    run(synthetic_pack, out, "random-baselines", "uniform+learned")
    return out


def trained(bench: Path, name: str) -> Path:
    (folder,) = (bench / "trained").glob(f"*-{name}-*")
    (file,) = folder.glob("*.safetensors")
    return file


def test_the_group_is_all_pairs_with_random() -> None:
    assert sorted(expand(["random-baselines"])) == PAIRS
    assert expand(["random"]) == ["random"]  # the policy of the joint level


def test_all_of_them_play(bench: Path) -> None:
    rows = read_grid(bench).to_pandas()
    quality = rows.groupby("policy")["quality"].apply(tuple)
    assert sorted(quality.index) == sorted([*PAIRS, "uniform+learned"])
    assert quality.is_unique
    assert np.isfinite(rows["quality"]).all()
    seeds = rows.groupby("policy")["training_seed"].first().dropna()
    assert dict(seeds) == {"learned+random": 3, "random+learned": 3, "uniform+learned": 3}


@pytest.mark.parametrize(
    ("name", "level"), [("random+learned", "holder"), ("learned+random", "round")]
)
def test_they_learn_as_the_other_baselines_do(bench: Path, name: str, level: str) -> None:
    card = load_q_policy(trained(bench, name)).card
    other = load_q_policy(trained(bench, "uniform+learned")).card
    assert card.level == level
    assert card.provenance["settings"] == other.provenance["settings"]
    assert card.provenance["settings"]["double_q"] != asdict(Settings())["double_q"]
    assert card.provenance["steps"] == other.provenance["steps"] > 0
    assert f"bench run --policies {name} " in card.provenance["command"]


def test_the_random_half_is_trained_against(bench: Path) -> None:
    weights = [
        load_q_policy(trained(bench, name)).network.state_dict()
        for name in ("random+learned", "uniform+learned")
    ]
    assert weights[0].keys() == weights[1].keys()
    assert any((weights[0][key] != weights[1][key]).any() for key in weights[0])


def test_a_seed_gives_the_same_bytes(bench: Path, synthetic_pack: str, tmp_path: Path) -> None:
    run(synthetic_pack, tmp_path, "random-baselines")
    again = sorted(tmp_path.rglob("*.parquet")) + sorted(tmp_path.rglob("*.safetensors"))
    assert len(again) == 7 + 2
    for path in again:
        assert path.read_bytes() == (bench / path.relative_to(tmp_path)).read_bytes()


def test_the_quick_benchmark_asks_for_committed_cells_only() -> None:
    assert all((RESULTS / cell.path).is_file() for cell in quick_cells())
