from __future__ import annotations

import json
import math
from dataclasses import asdict

import gymnasium as gym
import numpy as np
import pytest

import copyright_gym
from copyright_gym import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.tables import make_tables

BAD = [
    ("pack", 3),
    ("pack", ""),
    ("rounds", 0),
    ("rounds", 2.0),
    ("rounds", True),
    ("holders", -1),
    ("holders", "8"),
    ("rho", 0),
    ("rho", -0.4),
    ("rho", math.nan),
    ("rho", math.inf),
    ("rho", "0.4"),
    ("rho", None),
    ("sigma", -1),
    ("sigma", 11),
    ("alpha", -0.1),
    ("beta", True),
    ("a", 0.6),
    ("b", math.nan),
    ("price", 0),
    ("copyright_weight", -1),
    ("kappa", [1]),
    ("visible_expectations", 1),
    ("order", "price"),
    ("order", ["index"]),
    ("quality", "fid"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_options_are_named(name, value):
    with pytest.raises(OptionError, match=rf"\b{name}\b"):
        MarketConfig(**{name: value})


def test_alpha_and_beta_both_zero():
    with pytest.raises(OptionError, match="alpha and beta"):
        MarketConfig(alpha=0, beta=0)


@pytest.mark.parametrize(("name", "value"), [("rounds", 6), ("holders", 9)])
def test_options_beyond_the_pack(synthetic_pack, name, value):
    with pytest.raises(OptionError, match=f"{name} is {value}, but the pack .* has"):
        make_tables(MarketConfig(pack=synthetic_pack, **{name: value}))


def test_unknown_options_list_the_known(synthetic_pack):
    with pytest.raises(OptionError, match=r"unknown option rhoo; known: .*rho, rounds"):
        gym.make("copyright_gym/RoundBudget-v0", pack=synthetic_pack, rhoo=0.4)
    with pytest.raises(OptionError, match="unknown order 'price'; known: index, random, value"):
        MarketConfig(order="price")


def test_options_become_plain_json_types():
    config = MarketConfig(rho=1, rounds=np.int64(3), sigma=np.float64(0.5))
    assert MarketConfig(**json.loads(json.dumps(asdict(config)))) == config
    assert type(config.rho) is float
    assert type(config.rounds) is int


def test_tables_are_shared_and_follow_the_formulas(synthetic_pack):
    config = MarketConfig(pack=synthetic_pack, rounds=3, holders=4, a=0.25, b=0.75, price=2.0)
    tables = make_tables(config)
    assert make_tables(MarketConfig.from_options(**asdict(config))) is tables
    pack = copyright_gym.load_pack(synthetic_pack)
    loss = (0.25 * pack.semantic + 0.75 * pack.perceptual)[:3, :4]
    contribution = pack.contribution[:3, :4] / pack.contribution[:3, :4].mean()
    np.testing.assert_allclose(tables.loss, loss)
    np.testing.assert_allclose(tables.base, contribution + loss / loss.mean())
    assert tables.budget == pytest.approx(0.4 * tables.base.sum())
    assert tables.exposure.sum() == pytest.approx(1)
    value = tables.contribution / tables.base
    assert (np.diff(np.take_along_axis(value, tables.orders["value"], 1), axis=1) <= 0).all()
