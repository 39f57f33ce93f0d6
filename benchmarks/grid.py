"""Run a benchmark cell by cell; a cell is one contestant, pack, budget and training seed.

A finished cell is one Parquet file under `cells/`, written under another name and then renamed.
So a run may be killed at any time, and the same command goes on where it was.
"""

from __future__ import annotations

import io
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from copyright_gym import __version__
from copyright_gym.agents.baselines import pair_halves
from copyright_gym.agents.provenance import pack_fingerprint
from copyright_gym.benchmarks.cells import LIVE, Cell
from copyright_gym.benchmarks.contestant_names import ORACLE, label
from copyright_gym.benchmarks.contestants import (
    UnplayableError,
    halves_pack,
    halves_training,
    play_contestant,
    policy_settings,
)
from copyright_gym.benchmarks.economics import measures
from copyright_gym.benchmarks.evaluation_markets import evaluation_seeds
from copyright_gym.benchmarks.progress import Progress
from copyright_gym.benchmarks.provenance import code_commit
from copyright_gym.benchmarks.trainings import FOLDER, train_files
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, PolicyError, listed
from copyright_gym.orphans import end_with_parent
from copyright_gym.pack import load_pack
from copyright_gym.policies import registered_policies
from copyright_gym.rollout import Episodes
from copyright_gym.whole_file import write_whole

_LIBRARIES = ("numpy", "torch", "gymnasium", "stable_baselines3")
ECONOMICS = (
    "overspent",
    "underpaid",
    "gini",
    "jain",
    "shapley_correlation",
    "loss_payment",
    "overpayment",
)
"""Columns of the economic measures."""


def run_grid(cells: Sequence[Cell], out: Path, workers: int = 1) -> None:
    """Run the cells that are not there yet, or damaged.

    It tells on stderr how many were there, and then how far it is. After an error no further cell
    is begun.

    Args:
        cells: the cells.
        out: folder of the benchmark.
        workers: number of processes.

    Raises:
        PolicyError: a policy was registered where other processes do not see it.
        OptionError: `out` is a file.
    """
    if out.is_file():
        raise OptionError(f"{out} is a file; name a folder, or one to be made, for the cells")
    commit = code_commit()
    missing = [cell for cell in cells if not _is_whole(out / cell.path)]
    if len(missing) < len(cells):
        there = len(cells) - len(missing)
        print(f"{there} of {len(cells)} cells were there already", file=sys.stderr)
    with Progress(len(cells), len(cells) - len(missing)) as progress:
        for cell in _run(missing, out, commit, workers):
            progress.done(cell.key)


def _run(cells: Sequence[Cell], out: Path, commit: str, workers: int) -> Iterator[Cell]:
    """Run cells, and yield each when it is done."""
    if workers == 1:
        for cell in cells:
            run_cell(cell, out, commit)
            yield cell
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool:
        _check_registered(cells, pool)
        jobs = {pool.submit(run_cell, cell, out, commit): cell for cell in cells}
        try:
            for job in as_completed(jobs):
                job.result()
                yield jobs[job]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _check_registered(cells: Sequence[Cell], pool: ProcessPoolExecutor) -> None:
    """Check that what was registered here and plays was registered in a worker as well."""
    playing = {half for cell in cells for half in pair_halves(cell.policy) or [cell.policy]}
    here = {(level, name) for level, name in registered_policies() if name in playing}
    if here and (lost := here - pool.submit(registered_policies).result()):
        raise PolicyError(
            f"{listed({name for _, name in lost})}: registered in this process only, and workers "
            "are others; use one worker or an entry point, or register it at the top of the main "
            "script, outside its __main__ guard"
        )


def run_cell(cell: Cell, out: Path, commit: str) -> None:
    """Train if needed, play, and write the rows of one cell.

    Args:
        cell: the cell.
        out: folder of the benchmark.
        commit: the Git commit of the code, or "unknown".
    """
    torch.set_num_threads(1)
    config, n = cell.config, cell.episodes
    seeds = evaluation_seeds(cell.evaluation_seed, n)
    files: dict[str, Path] = {}
    if cell.training_seed is not None:
        folder = out / FOLDER / cell.training_key
        try:
            files = train_files(
                cell.policy, cell.training_config, cell.training_seed, cell.steps, folder
            )
        except OptionError as error:
            raise OptionError(f"{cell.policy}: {error}") from error
    pack = load_pack(config.pack)
    settings = _settings(cell, files)
    values = {}
    try:
        episodes = play_contestant(cell.policy, config, seeds, files)
        values = _numbers(config, episodes)
        if config.quality == LIVE:
            values["predicted"] = pack.surrogate.quality(episodes.bought)
            again = play_contestant(cell.policy, cell.training_config, seeds, files)
            values["surrogate_quality"] = again.quality[:, -1]
    except UnplayableError as error:
        if cell.source is None:
            raise
        settings[NOT_PLAYED] = str(error)
    seed, steps = cell.training_seed, cell.steps
    if seed is None:
        seed, steps = halves_training(cell.policy, config)
    constant = {
        "policy": label(cell.policy),
        "training_seed": seed,
        "training_steps": steps,
        "pack": pack.name,
        "pack_sha256": pack_fingerprint(pack),
        "quality_model": config.quality,
        "rho": config.rho,
        "settings": json.dumps(settings, sort_keys=True),
        "evaluation_seed": cell.evaluation_seed,
        "commit": commit,
        "version": __version__,
        "python": platform.python_version(),
        **{name: version(name.replace("_", "-")) for name in _LIBRARIES},
        "torch": str(torch.__version__),  # with its build
    }
    missing = np.full(n, np.nan)
    columns = {name: [value] * n for name, value in constant.items()}
    schema = _schema(cell.path.parent.name)
    numbers = {field.name: values.get(field.name, missing) for field in schema}
    rows = pa.table({**numbers, **columns, "seed": np.array(seeds)}, schema=schema)
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    write_whole(out / cell.path, buffer.getvalue())


def _settings(cell: Cell, files: dict[str, Path]) -> dict[str, Any]:
    """Tell the options of the market, the policies' own settings, and what else a row comes from.

    Of a transfer, that is the pack that was trained on, if one was; of live cells, the seed of the
    fine-tuning and a name for all else that decides on it.
    """
    pack = load_pack(cell.config.pack)
    settings: dict[str, Any] = asdict(cell.config) | {
        "pack": pack.name,
        "visible_expectations": cell.policy == ORACLE,
        "policy": policy_settings(cell.policy, cell.config, files),
    }
    if cell.source is not None and cell.training_seed is not None:
        source = load_pack(cell.source)
        settings |= {"trained_on": source.name, "trained_on_sha256": pack_fingerprint(source)}
    elif cell.source is not None:
        settings |= halves_pack(cell.policy, cell.config)
    if cell.config.quality == LIVE:
        from copyright_gym.art.live import live_quality, studio_name

        settings["fine_tuning"] = {"seed": live_quality(pack).seed, "studio": studio_name(pack)}
    return settings


def _numbers(config: MarketConfig, episodes: Episodes) -> dict[str, NDArray[np.float64]]:
    return {
        "quality": episodes.quality[:, -1],
        "spent": episodes.spent,
        "acceptance": episodes.acceptance,
        **measures(config, episodes),
    }


GRID_SCHEMA = pa.schema(
    [
        ("policy", pa.string()),
        ("training_seed", pa.int64()),
        ("training_steps", pa.int64()),
        ("pack", pa.string()),
        ("pack_sha256", pa.string()),
        ("quality_model", pa.string()),
        ("rho", pa.float64()),
        ("settings", pa.string()),
        ("evaluation_seed", pa.int64()),
        *((name, pa.string()) for name in ("commit", "version", "python", *_LIBRARIES)),
        ("seed", pa.int64()),
        *((name, pa.float64()) for name in ("quality", "spent", "acceptance", *ECONOMICS)),
    ]
)
"""Columns of the rows of a cell, one row per episode; NaN if a policy could not play there.

Cells of earlier versions lack some libraries' versions; they are read as null.
"""

LIVE_SCHEMA = pa.schema(
    [*GRID_SCHEMA, ("predicted", pa.float64()), ("surrogate_quality", pa.float64())]
)
"""Live, also the surrogate's quality of what was bought, and its quality when it is played on."""

NOT_PLAYED = "not_played"
"""In the settings of a transfer: why a policy could not play there."""


def _schema(folder: str) -> pa.Schema:
    return LIVE_SCHEMA if folder == LIVE else GRID_SCHEMA


def _read_cell(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, schema=_schema(path.parent.name))
    except pa.ArrowException as error:
        fault = str(error)
    else:
        if len(table) > 0:
            return table
        fault = "no rows"
    raise OptionError(
        f"{path} is damaged ({fault}); repeat the command that made it, which makes it again"
    )


def _is_whole(path: Path) -> bool:
    """Return whether a cell is there and not damaged; of one that is, tell on stderr."""
    if not path.is_file():
        return False
    try:
        _read_cell(path)
    except OptionError:
        print(f"{path} is damaged and will be made again", file=sys.stderr)
        return False
    return True


def read_grid(out: Path, folder: str = "cells") -> pa.Table:
    """Read all cells of a benchmark.

    Args:
        out: folder of the benchmark.
        folder: which of its cells: "cells", "transfer" or "live".

    Returns:
        The rows, ordered by the cells' names.

    Raises:
        OptionError: there is no cell, one is damaged, or cells of different versions of a pack are
            mixed.
    """
    if not out.is_dir():
        raise OptionError(f"{out} is no folder; name one that copyright-gym bench run wrote")
    paths = sorted((out / folder).glob("*.parquet"))
    if not paths:
        raise OptionError(f"no cells in {out / folder}; make them with: copyright-gym bench run")
    tables = [_read_cell(path) for path in paths]
    versions: dict[str, dict[str, list[str]]] = {}
    for path, table in zip(paths, tables, strict=True):
        pack, version = table["pack"][0].as_py(), table["pack_sha256"][0].as_py()
        versions.setdefault(pack, {}).setdefault(version, []).append(path.name)
    for pack, found in versions.items():
        *others, most = sorted(found.values(), key=len)
        if others:
            told = ", ".join(name for names in others for name in names)
            raise OptionError(
                f"{out / folder} mixes cells of different versions of the pack {pack!r}: {told} "
                f"differ from {most[0]} and its like; remove the cells of the old version, or use "
                "another --out"
            )
    return pa.concat_tables(tables)
