"""Rows of an evaluation: equal bytes, honest columns, disjoint seeds."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from copyright_gym.agents.baselines import make_pair
from copyright_gym.agents.flat import train_flat
from copyright_gym.agents.learning_curve import CURVE_SEEDS
from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.evaluate import SCHEMA, evaluate, write_rows
from copyright_gym.benchmarks.evaluation_markets import LAST_TRAINING_SEED, evaluation_seeds
from copyright_gym.config import MarketConfig
from copyright_gym.envs.vector_base import VectorMarketEnv
from copyright_gym.errors import OptionError
from copyright_gym.rollout import play


def test_equal_arguments_give_equal_bytes(synthetic_pack: str, tmp_path: Path) -> None:
    def run(name: str, seed: int) -> bytes:
        pairs = [make_pair(pair, synthetic_pack) for pair in ("uniform+greedy", "random+random")]
        configs = [MarketConfig(pack=synthetic_pack, rho=rho) for rho in (0.2, 0.4)]
        write_rows(evaluate(pairs, configs, evaluation_seeds(seed, 7)), tmp_path / name)
        return (tmp_path / name).read_bytes()

    assert run("a.parquet", 0) == run("b.parquet", 0) != run("c.parquet", 1)
    rows = pq.read_table(tmp_path / "a.parquet")
    assert rows.schema.equals(SCHEMA)
    assert len(rows) == 2 * 2 * 7
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "b.parquet", "c.parquet"]


def test_rows_agree_with_the_episodes(synthetic_pack: str, brief_weights: Path) -> None:
    config = MarketConfig(pack=synthetic_pack)
    pair = make_pair("greedy+learned", synthetic_pack)
    rows = evaluate([pair], [config], [5, 3]).to_pydict()
    episodes = play(config, pair.round_policy, pair.holder_policy, [5, 3])
    assert rows["seed"] == [5, 3]
    assert rows["quality"] == episodes.quality[:, -1].tolist()
    assert set(rows["training_steps"]) == {7680}
    assert rows["pack"] == ["synthetic"] * 2
    np.testing.assert_allclose(rows["spent"], episodes.payments.sum(axis=(1, 2)) / episodes.budget)
    paid = (episodes.payments > 0).sum(axis=(1, 2))
    np.testing.assert_allclose(rows["acceptance"], paid / (episodes.offers > 0).sum(axis=(1, 2)))


def test_seeds_are_disjoint_from_each_other_and_from_training() -> None:
    assert not set(evaluation_seeds(0, 1_000_000)) & set(evaluation_seeds(1, 10))
    largest = evaluation_seeds(4000, 1_000_000)[-1]
    # One 32-bit word: a training's two words, the last not 0, give another stream.
    assert largest < 2**32
    streams = [np.random.default_rng(entropy).random() for entropy in (3, [3], [3, 1])]
    assert streams[0] == streams[1] != streams[2]
    for seed, episodes in ((-1, 1), (4001, 1), (0, 0), (0, 1_000_001)):
        with pytest.raises(OptionError, match="must lie in"):
            evaluation_seeds(seed, episodes)


def test_flat_learners_train_on_no_market_of_an_evaluation(
    synthetic_pack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    reset = VectorMarketEnv.reset

    def noted(env: VectorMarketEnv, *, seed: Any = None, options: Any = None) -> Any:
        first = seed[0] if isinstance(seed, list) else seed
        seeds.extend(range(first, first + env.num_envs) if first is not None else [])
        return reset(env, seed=seed, options=options)

    monkeypatch.setattr(VectorMarketEnv, "reset", noted)
    train_flat("ppo", MarketConfig(pack=synthetic_pack), seed=LAST_TRAINING_SEED, steps=512)
    assert seeds[0] == LAST_TRAINING_SEED
    assert max(seeds) == LAST_TRAINING_SEED + 15
    assert max(seeds) < min(CURVE_SEEDS.start, evaluation_seeds(0, 1).start)
    with pytest.raises(OptionError, match="must lie in 0 to 800000"):
        make_cells(
            ["ppo"],
            packs=[synthetic_pack],
            rhos=[0.4],
            seeds=[LAST_TRAINING_SEED + 1],
            steps=1,
            evaluation_seed=0,
            episodes=1,
        )


def test_names_must_differ() -> None:
    pair = make_pair("uniform+uniform")
    with pytest.raises(OptionError, match="different names"):
        evaluate([pair, pair], [MarketConfig()], [1])
