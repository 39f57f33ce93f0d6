"""Second identities: nothing but the identities changes, and gains by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import MarketConfig, cli, load_pack
from copyright_gym.benchmarks.identities import KINDS, derive_market, identity_gains
from copyright_gym.tables import make_tables


def test_money_and_worth_stay_the_same(synthetic_pack: str, tmp_path: Path) -> None:
    config = MarketConfig(pack=synthetic_pack, a=0.3, b=0.7, rho=0.5)
    old, before = make_tables(config), load_pack(synthetic_pack).surrogate
    lots = np.random.default_rng(0).random((30, 5, 8)) < 0.5
    for kind in KINDS:
        new = make_tables(derive_market(config, kind, 2, tmp_path / kind))
        worth = 0.5 if kind == "split" else 1.0
        assert new.budget == pytest.approx(old.budget)
        np.testing.assert_allclose(new.base[:, :2], old.base[:, :2])
        np.testing.assert_allclose(new.base[:, 3:8], old.base[:, 3:])
        np.testing.assert_allclose(new.base[:, [2, 8]], worth * old.base[:, [2, 2]])
        # Both identities together sell what the holder had.
        both = np.concatenate([lots, lots[:, :, 2:3]], axis=2)
        after = new.pack.surrogate
        np.testing.assert_allclose(after.quality(both), before.quality(lots), atol=1e-12)
        one = both.copy()
        one[:, :, 8] = False
        same = np.isclose(after.quality(one), before.quality(lots), atol=1e-9)
        bought = lots[:, :, 2].any(axis=1)
        assert same[~bought].all()
        assert same[bought].all() == (kind == "duplicate")


def test_gains_by_hand(tmp_path: Path) -> None:
    # Money for everything; each lot is offered the first markup from 1.2 on, which all accept.
    config = tiny_config(make_tiny_pack(tmp_path / "tiny"), rho=3.0)
    markets = {
        kind: [derive_market(config, kind, i, tmp_path / f"{kind}{i}") for i in range(3)]
        for kind in KINDS
    }
    markup = 0.5 * 4 ** (6 / 9)
    by_holder, mean = identity_gains(config, "all+greedy", [0, 1], markets)
    assert mean.honest.estimate == pytest.approx((markup - 1) * 1.0)
    assert mean.gain["duplicate"].estimate == pytest.approx(markup * 1.0)
    for base, found in zip((1.5, 0.9, 0.6), by_holder, strict=True):
        assert found.honest.estimate == pytest.approx((markup - 1) * base)
        assert found.gain["split"].estimate == pytest.approx(0, abs=1e-12)
        # The works are paid for twice.
        assert found.gain["duplicate"].estimate == pytest.approx(markup * base)
        assert found.quality_change["split"].estimate == pytest.approx(0, abs=1e-12)
        assert found.quality_change["duplicate"].estimate == pytest.approx(0, abs=1e-12)


def test_the_command(synthetic_pack: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "identities", "--pack", synthetic_pack, "--episodes", "3", "--policies"]
    assert cli.main([*words, "uniform+adaptive", "uniform+shapley", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["policies"]) == ["uniform+adaptive", "uniform+shapley"]
    assert [row["holder"] for row in found["policies"]["uniform+shapley"]] == [
        f"Holder {i}" for i in range(8)
    ]
    gains = [row["gain"]["split"][0] for row in found["policies"]["uniform+adaptive"]]
    mean = found["means"]["uniform+adaptive"]
    assert mean["gain"]["split"][0] == pytest.approx(np.mean(gains))
    assert cli.main([*words, "uniform+uniform", "uniform+greedy"]) == 0
    _, overview, *tables = capsys.readouterr().out.strip().split("\n\n")
    assert [len(table.splitlines()) for table in tables] == [2 + 8] * 2
    assert overview.splitlines()[-1].startswith("| uniform+greedy |")
    assert cli.main([*words, "uniform+uniform", "gradient"]) == 1
    message = capsys.readouterr().err
    assert "'gradient' cannot play with second identities (gradient ascent needs" in message
