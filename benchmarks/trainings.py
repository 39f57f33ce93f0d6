"""Trainings of contestants: made once, kept beside the cells of a benchmark, and found again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from copyright_gym.agents.evolution import evolve
from copyright_gym.agents.flat import FLAT, train_flat
from copyright_gym.agents.q_policy import QPolicy, load_q_policy
from copyright_gym.agents.training import conditions_of, describe, train
from copyright_gym.benchmarks.cells import Cell
from copyright_gym.benchmarks.contestant_names import EVOLVED, expand, is_trained
from copyright_gym.benchmarks.learning_curves import CURVE, curve_bytes
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, PolicyError, listed
from copyright_gym.whole_file import write_whole

FOLDER = "trained"


@dataclass(frozen=True)
class Trainings:
    """Where finished trainings are.

    Attributes:
        out: folder of a `bench run`; None if there is none.
        seed: seed of the trainings.
        steps: their interaction budget.
    """

    out: Path | None
    seed: int
    steps: int


def ready(
    names: Sequence[str], config: MarketConfig, trainings: Trainings
) -> dict[str, dict[str, Path]]:
    """Replace the words of groups, and find the trainings of contestants that need one.

    Args:
        names: contestants and groups.
        config: options of the markets that were trained on.
        trainings: where trainings are.

    Returns:
        By contestant, what `play_contestant` takes as its files.

    Raises:
        PolicyError: a name is unknown, or a training is missing.
        OptionError: a training had other settings than it would have now.
    """
    found: dict[str, dict[str, Path]] = {}
    for name in expand(names):
        found[name] = {}
        if not is_trained(name):
            continue
        if trainings.out is None:
            raise PolicyError(
                f"{name!r} must be trained first: give the folder of a bench run as --trained, or "
                "name policy files as ROUND+HOLDER"
            )
        cell = Cell(name, config, trainings.seed, trainings.steps, 0, 0)
        folder = trainings.out / FOLDER / cell.training_key
        if not _finished(folder):
            raise PolicyError(
                f"no training of {name!r} in {folder}; make it with: copyright-gym bench run "
                f"--policies {name} --packs {config.pack} --rho {config.rho:g} "
                f"--seeds {trainings.seed} --steps {trainings.steps} --out {trainings.out}"
            )
        _check_settings(name, folder)
        found[name] = _files(folder)
    return found


def train_files(
    name: str, config: MarketConfig, seed: int, steps: int, folder: Path
) -> dict[str, Path]:
    """Train a contestant unless its files are there, and return them by level.

    Args:
        name: a contestant for which `is_trained` holds.
        config: options of the markets.
        seed: seed of the training.
        steps: interaction budget in holder decisions.
        folder: where the files are kept; made in one step, so that policies are complete or
            absent. A learning curve alone is no training.

    Returns:
        The policy files of the learned levels, and what was written beside them, by stem.

    Raises:
        OptionError: the budget is too small, or the files are of a training with other settings.
    """
    if _finished(folder):
        _check_settings(name, folder)
    else:
        draft = folder.with_name(f".{folder.name}.draft{os.getpid()}")
        _write_training(name, config, seed, steps, draft)
        _keep(draft, folder)
    return _files(folder)


def _write_training(name: str, config: MarketConfig, seed: int, steps: int, draft: Path) -> None:
    if name == EVOLVED:
        policy = evolve(config, seed=seed, steps=steps)
        write_whole(draft / "holder.json", policy.text())
    elif name in FLAT:
        data = train_flat(name, config, seed=seed, steps=steps).data()
        write_whole(draft / "network.npz", data)
    else:
        trainer = train(
            name, pack=config.pack, seed=seed, steps=steps, rho=config.rho, progress=False
        )
        for learned in trainer.policies(describe(trainer, name)):
            if isinstance(learned, QPolicy):
                learned.save(draft / f"{learned.level}.safetensors")
        write_whole(draft / CURVE, curve_bytes(name, config, seed, steps, trainer.curve))


def _finished(folder: Path) -> bool:
    return folder.is_dir() and any(path.name != CURVE for path in folder.iterdir())


def _check_settings(name: str, folder: Path) -> None:
    for path in sorted(folder.glob("*.safetensors")):
        wanted = json.loads(json.dumps(conditions_of(name)))
        card = load_q_policy(path).card.provenance
        had = {**card.get("settings", {}), **card.get("fixed", {})}
        other = [key for key in {**wanted, **had} if had.get(key) != wanted.get(key)]
        if other:
            raise OptionError(
                f"{folder} holds a training of {name!r} with other settings ({listed(other)}); use "
                "another folder, or remove it and the cells that were played with it"
            )


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.iterdir()}


def _keep(draft: Path, folder: Path) -> None:
    """Give a training its name, unless another process has finished the same meanwhile."""
    old = draft.with_name(f"{draft.name}.old")
    try:
        if folder.is_dir() and not _finished(folder):
            folder.rename(old)
        draft.replace(folder)
    except OSError:
        if not _finished(folder):
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
