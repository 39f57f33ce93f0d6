"""The method, its ablations and its holder level alone, on markets that can be solved by hand.

The tiny market: three lots for 1.5, 0.9 and 0.6 that add 0.30, 0.25 and 0.10, and money for 1.65.
Holders accept 1.08 times the price and no lower markup. Best are the last two lots, 0.35; the first
one alone adds 0.30.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import MarketConfig, play
from copyright_gym.agents import training
from copyright_gym.agents.hierarchical_dqn import HierarchicalDQN
from copyright_gym.agents.settings import Settings
from copyright_gym.agents.training import ABLATIONS, METHOD, METHOD_HOLDER

WITHIN_ROUND = METHOD + "-within-round"
# With one-step targets or without masks, these trainings are too short to learn to wait.
PATIENT = sorted({METHOD, *ABLATIONS} - {WITHIN_ROUND, METHOD + "-one-step"})
PATIENT.remove(METHOD + "-without-masks")


def settings(name: str) -> Settings:
    """Return the settings of the method or of an ablation, for short trainings."""
    return Settings(markets=16, holder_hidden=(64, 64), **ABLATIONS.get(name, {}))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> MarketConfig:
    return tiny_config(make_tiny_pack(tmp_path_factory.mktemp("tiny") / "tiny"))


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> MarketConfig:
    """Two holders whose lots cost 1.5 each in the first round and 0.5 in the second."""
    contribution = np.array([[1.5, 1.5, 1.0], [0.5, 0.5, 1.0]])
    pack = make_tiny_pack(
        tmp_path_factory.mktemp("late") / "late", rounds=2, contribution=contribution
    )
    return tiny_config(pack, holders=2, rho=1.65 / 4)


@pytest.mark.parametrize("name", sorted(ABLATIONS))
def test_each_ablation_buys_the_best(tiny: MarketConfig, name: str) -> None:
    # So short a training needs the real budget for longer.
    chosen = replace(settings(name), first_budget_until=0.4)
    trainer = HierarchicalDQN(tiny, settings=chosen).learn(40_000)
    episodes = play(tiny, *trainer.policies(), [0])
    assert episodes.bought[0, 0].tolist() == [False, True, True]
    assert episodes.quality[0, -1] == pytest.approx(0.35)


@pytest.mark.parametrize("name", METHOD_HOLDER)
def test_the_methods_holder_level_buys_the_best_under_a_fixed_round_level(
    tiny: MarketConfig, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MarketConfig", lambda pack, rho: tiny_config(pack, rho=rho))
    trainer = training.train(
        name, pack=tiny.pack, seed=0, steps=30_000, rho=tiny.rho, progress=False
    )
    round_policy, holder_policy = trainer.policies()
    assert type(round_policy).__name__ == f"{name.split('+')[0].capitalize()}Round"
    episodes = play(tiny, round_policy, holder_policy, [0])
    assert episodes.round_budgets[0, 0] == pytest.approx(1.65)
    assert episodes.quality[0, -1] == pytest.approx(0.35)


@pytest.mark.parametrize("name", PATIENT)
def test_the_holder_level_keeps_money_for_a_better_round(late: MarketConfig, name: str) -> None:
    # In the first round the money pays for one lot, 0.30 or 0.25, and leaves too little. In the
    # second it pays for both, 0.55. The round level sets everything aside in both.
    trainer = HierarchicalDQN(late, round_policy="all", settings=settings(name)).learn(80_000)
    episodes = play(late, *trainer.policies(), [0])
    assert episodes.bought[0].tolist() == [[False, False], [True, True]]
    assert episodes.quality[0, -1] == pytest.approx(0.55)


def test_a_holder_level_that_looks_at_one_round_keeps_nothing(late: MarketConfig) -> None:
    # To it the money is worth nothing after the round: it buys the better lot of the first round.
    trainer = HierarchicalDQN(late, round_policy="all", settings=settings(WITHIN_ROUND))
    episodes = play(late, *trainer.learn(80_000).policies(), [0])
    assert episodes.bought[0].tolist() == [[True, False], [False, False]]
    assert episodes.quality[0, -1] == pytest.approx(0.30)
