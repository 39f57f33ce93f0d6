"""Rows of an evaluation: equal bytes, honest columns, disjoint seeds."""

from pathlib import Path

import numpy as np
import pytest

from copyright_gym.agents.baselines import make_pair
from copyright_gym.benchmarks.evaluate import (
    SCHEMA,
    evaluate,
    evaluation_seeds,
    read_rows,
    write_rows,
)
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.rollout import play


def test_equal_arguments_give_equal_bytes(synthetic_pack: str, tmp_path: Path) -> None:
    def run(name: str, seed: int) -> bytes:
        pairs = [make_pair(pair, synthetic_pack) for pair in ("uniform+greedy", "random+random")]
        configs = [MarketConfig(pack=synthetic_pack, rho=rho) for rho in (0.2, 0.4)]
        write_rows(evaluate(pairs, configs, evaluation_seeds(seed, 7)), tmp_path / name)
        return (tmp_path / name).read_bytes()

    assert run("a.parquet", 0) == run("b.parquet", 0) != run("c.parquet", 1)
    rows = read_rows(tmp_path / "a.parquet")
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


def test_names_must_differ_and_files_must_hold_rows(synthetic_pack: str, tmp_path: Path) -> None:
    pair = make_pair("uniform+uniform")
    with pytest.raises(OptionError, match="different names"):
        evaluate([pair, pair], [MarketConfig(pack=synthetic_pack)], [1])
    with pytest.raises(OptionError, match="no file"):
        read_rows(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no rows")
    with pytest.raises(OptionError, match="does not hold rows"):
        read_rows(tmp_path / "text.parquet")
