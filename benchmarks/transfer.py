"""Transfer: what is trained on one pack plays on others and on markets of other sizes.

Trainings are those of `bench run` in the same folder. A policy that cannot play on a market, for it
remembers each of the holders that it was trained with, has rows without numbers that say why.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from copyright_gym.benchmarks.budgets import budget_notes, training_steps
from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.crossed_bootstrap import crossed_interval
from copyright_gym.benchmarks.grid import NOT_PLAYED, read_grid, run_grid
from copyright_gym.benchmarks.grid_values import Floats, Group, by_training
from copyright_gym.benchmarks.text import interval_text, markdown_table
from copyright_gym.generator import generate_pack
from copyright_gym.pack import load_pack
from copyright_gym.whole_file import write_whole


def transfer(
    policies: Sequence[str],
    *,
    pack: str,
    packs: Sequence[str],
    holders: Sequence[int],
    churn: float,
    rhos: Sequence[float],
    seeds: Sequence[int],
    steps: int,
    evaluation_seed: int,
    episodes: int,
    workers: int,
    out: Path,
) -> str:
    """Train on one pack, play on it and on others, and write `transfer.md`.

    Args:
        policies: contestants and groups of them.
        pack: the pack to train on.
        packs: other packs to play on.
        holders: numbers of holders of generated packs to play on, each with and without churn.
        churn: departures per holder and round of the generated packs with churn; 0 for none.
        rhos: budgets, in training and in play.
        seeds: seeds of the trainings.
        steps: interaction budget of each training.
        evaluation_seed: seed of the evaluation's markets.
        episodes: number of markets.
        workers: number of processes.
        out: folder of the benchmark; it may be that of a `bench run`.

    Returns:
        The table in Markdown.

    Raises:
        PolicyError: a contestant is unknown.
        PackError: a pack is unknown or damaged.
        OptionError: an option is out of range.
    """
    cells = make_cells(
        policies,
        packs=[pack, *packs, *_generated(pack, holders, churn, out / "packs")],
        rhos=rhos,
        seeds=seeds,
        steps=steps,
        evaluation_seed=evaluation_seed,
        episodes=episodes,
        source=pack,
    )
    run_grid(cells, out, workers)
    table = transfer_table(out)
    write_whole(out / "transfer.md", (table + "\n").encode())
    return table


def transfer_table(out: Path) -> str:
    """Tell the qualities of a transfer in one table, intervals over trainings and markets.

    Args:
        out: folder of the benchmark.

    Returns:
        The table in Markdown; a trained policy's value on a market is its mean over the trainings.
        Behind it, who could not play where, and who was trained on how much, if not all alike.

    Raises:
        OptionError: there are no cells of a transfer, or as in `by_training` and `training_steps`.
    """
    rows = read_grid(out, "transfer")
    settings = [json.loads(text) for text in rows["settings"].to_pylist()]
    columns = (rows[name].to_pylist() for name in ("policy", "training_steps"))
    # Rows of earlier versions name a pack for what was not trained, too.
    names = [
        f"{policy} ({known['trained_on']})" if steps and "trained_on" in known else policy
        for policy, steps, known in zip(*columns, settings, strict=True)
    ]
    named = rows.set_column(rows.schema.get_field_index("policy"), "policy", pa.array(names))
    groups = by_training(named)
    markets = sorted(groups, key=_size)
    lines = [
        [name, *(_text(groups[market].get(name)) for market in markets)]
        for name in sorted(set(names))
    ]
    titles = [f"{pack}, rho {rho:g}" for pack, rho in markets]
    notes = sorted({f"–: {known[NOT_PLAYED]}." for known in settings if NOT_PLAYED in known})
    notes += budget_notes(training_steps(named))
    return "\n\n".join([markdown_table(["policy (trained on)", *titles], lines), *notes])


def _text(values: Floats | None) -> str:
    if values is None or np.isnan(values).any():
        return "–"
    return interval_text(crossed_interval(values, seed=0))


def _size(market: Group) -> tuple[int, Group]:
    """Order real packs by name, and generated ones behind them by size."""
    number = market[0].partition("-holders")[0]
    return (int(number) if number.isdigit() else 0), market


def _generated(pack: str, holders: Sequence[int], churn: float, folder: Path) -> list[str]:
    like = load_pack(pack)
    paths = []
    for count in holders:
        for rate in (0.0, churn) if churn else (0.0,):
            name = f"{count}-holders-like-{like.name}" + (f"-churn{rate:g}" if rate else "")
            path = generate_pack(
                folder / name, holders=count, rounds=like.rounds, like=pack, churn=rate
            )
            paths.append(str(path))
    return paths
