"""Play named pairs of policies on the same markets; one row per episode.

The rows hold no time and no path: equal arguments give equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from copyright_gym import __version__
from copyright_gym.agents.baselines import PolicyPair
from copyright_gym.agents.provenance import pack_fingerprint
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.pack import load_pack
from copyright_gym.rollout import Episodes, play
from copyright_gym.whole_file import write_whole

SCHEMA = pa.schema(
    [
        ("policy", pa.string()),
        ("training_steps", pa.int64()),
        ("pack", pa.string()),
        ("pack_sha256", pa.string()),
        ("quality_model", pa.string()),
        ("rho", pa.float64()),
        ("sigma", pa.float64()),
        ("seed", pa.int64()),
        ("quality", pa.float64()),
        ("spent", pa.float64()),
        ("acceptance", pa.float64()),
        ("version", pa.string()),
    ]
)
"""Columns of the rows. `training_steps`: holder decisions that the learned halves were trained
on. `seed`: the market's. `quality`: final quality. `spent`: payments / budget. `acceptance`:
accepted / made offers, 0 if none was made. `version`: of this package."""


def evaluate(
    pairs: Sequence[PolicyPair], configs: Sequence[MarketConfig], seeds: Sequence[int]
) -> pa.Table:
    """Play every pair in every configuration on the same markets.

    Args:
        pairs: the policies.
        configs: options of the markets, for example one per budget.
        seeds: one per market.

    Returns:
        A row per episode, ordered by configuration, pair and seed; columns as in `SCHEMA`.

    Raises:
        OptionError: two pairs have the same name.
    """
    names = [pair.name for pair in pairs]
    if len(set(names)) != len(names):
        raise OptionError(f"policies must have different names, not {names}")
    tables = [
        _rows(pair, config, seeds, play(config, pair.round_policy, pair.holder_policy, seeds))
        for config in configs
        for pair in pairs
    ]
    return pa.concat_tables(tables)


def _rows(
    pair: PolicyPair, config: MarketConfig, seeds: Sequence[int], episodes: Episodes
) -> pa.Table:
    pack = load_pack(config.pack)
    constant = {
        "policy": pair.name,
        "training_steps": pair.training_steps,
        "pack": pack.name,
        "pack_sha256": pack_fingerprint(pack),
        "quality_model": config.quality,
        "rho": config.rho,
        "sigma": config.sigma,
        "version": __version__,
    }
    varying = {
        "seed": np.array(seeds),
        "quality": episodes.quality[:, -1],
        "spent": episodes.spent,
        "acceptance": episodes.acceptance,
    }
    repeated = {name: [value] * len(seeds) for name, value in constant.items()}
    columns = {**repeated, **varying}
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def write_rows(rows: pa.Table, path: str | Path) -> None:
    """Write rows to a Parquet file through a temporary file next to it.

    Args:
        rows: what `evaluate` returned.
        path: the file.
    """
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    write_whole(path, buffer.getvalue())
