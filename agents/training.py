"""Train policies and write their files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from copyright_gym import __version__
from copyright_gym.agents.baselines import (
    LEARNED,
    TRAINED_BASELINES,
    TRAINED_RANDOM,
    weights_file,
)
from copyright_gym.agents.hierarchical_dqn import HierarchicalDQN
from copyright_gym.agents.learning_curve import WatchedDQN
from copyright_gym.agents.provenance import fixed_parameters, pack_fingerprint
from copyright_gym.agents.q_policy import QPolicy
from copyright_gym.agents.settings import Settings
from copyright_gym.config import MarketConfig
from copyright_gym.pack import load_pack
from copyright_gym.policies import Level, as_policy

METHOD = "hierarchical"
METHOD_HOLDER = ("greedy+learned-as-method", "uniform+learned-as-method")
"""The method's holder level under fixed round levels: what the learned round level is worth."""
_BASELINE: dict[str, Any] = {
    "remember": False,
    "outcomes": False,
    "double_q": True,
    "habits": 0.0,
    "first_budget": 1.0,
    "exploration": 0.5,
    "holder_replay": 4.0,
}
"""The learned halves of the baselines are Double DQNs on what the environment shows, with
epsilon-greedy exploration in the first half of their training."""
ABLATIONS: dict[str, dict[str, Any]] = {
    METHOD + "-without-memory": {"remember": False},
    METHOD + "-one-step": {"round_steps": 1, "holder_steps": 1},
    METHOD + "-without-outcomes": {"outcomes": False},
    METHOD + "-with-double-q": {"double_q": True},
    METHOD + "-without-order": {"order": None},
    METHOD + "-within-round": {"beyond_round": False},
    METHOD + "-without-masks": {"masked": False},
    METHOD + "-without-habits": {"habits": 0.0},
    METHOD + "-without-first-budget": {"first_budget": 1.0},
}
"""By name, the settings in which a variant differs from the method."""


def train_to_files(
    what: str,
    *,
    pack: str,
    seed: int,
    steps: int,
    out: Path | None = None,
    log: Path | None = None,
) -> list[Path]:
    """Train the hierarchical DQN or the learned halves of the baselines, and save them.

    Args:
        what: "hierarchical" or "baselines".
        pack: the pack, a name or a folder.
        seed: seed of the training.
        steps: interaction budget of each training in holder decisions.
        out: folder for the files; None is `runs/hierarchical`, or for the baselines the folder
            in this package from which they are loaded. The hierarchical DQN keeps its state
            there while it trains, and goes on from it.
        log: folder for TensorBoard; None logs nothing.

    Returns:
        The files written.

    Raises:
        PackError: the pack is unknown or damaged.
        OptionError: the budget is too small, or the folder holds the state of another training.
        MissingExtraError: a log is asked for and TensorBoard is not installed.
    """
    torch.set_num_threads(1)
    written: list[Path] = []
    if what == METHOD:
        folder = out or Path("runs/hierarchical")
        state = folder / "training.safetensors"
        trainer = train(METHOD, pack=pack, seed=seed, steps=steps, state=state, log=log)
        for policy in trainer.policies(describe(trainer, what)):
            assert isinstance(policy, QPolicy)
            written.append(policy.save(folder / f"{policy.level}.safetensors"))
        state.unlink(missing_ok=True)
    else:
        for name in TRAINED_BASELINES:
            own = None if log is None else log / name
            trainer = train(name, pack=pack, seed=seed, steps=steps, log=own)
            path = weights_file(name, load_pack(pack).name)
            for policy in trainer.policies(describe(trainer, what)):
                if isinstance(policy, QPolicy):
                    written.append(policy.save(path if out is None else out / path.name))
    for file in written:
        print(f"wrote {file}")
    return written


def settings_of(name: str) -> Settings:
    """Return the settings that `train` gives to a contestant.

    Args:
        name: as for `train`.

    Returns:
        The settings.
    """
    plain = name in (*TRAINED_BASELINES, *TRAINED_RANDOM)
    return Settings(**(_BASELINE if plain else ABLATIONS.get(name, {})))


def conditions_of(name: str) -> dict[str, Any]:
    """Return what `train` trains a contestant under.

    Args:
        name: as for `train`.

    Returns:
        The settings, and the parameters of a half that is not learned, as "round.share".
    """
    fixed = {level: as_policy(half, level) for level, half in _fixed_halves(name).items() if half}
    return asdict(settings_of(name)) | fixed_parameters(fixed)


def _fixed_halves(name: str) -> dict[Level, str | None]:
    """Return the halves of a contestant, None for learned ones."""
    both = name in (METHOD, *ABLATIONS)
    halves = [LEARNED, LEARNED] if both else name.split("+")
    chosen = (None if half.startswith(LEARNED) else half for half in halves)
    return {"round": next(chosen), "holder": next(chosen)}


def train(
    name: str,
    *,
    pack: str,
    seed: int,
    steps: int,
    rho: float = 0.4,
    progress: bool = True,
    state: Path | None = None,
    log: Path | None = None,
) -> WatchedDQN:
    """Train one pair of policies.

    Args:
        name: `METHOD`, one of `ABLATIONS` or `METHOD_HOLDER`, or a baseline with a learned half,
            be its other half random or not.
        pack: the pack, a name or a folder.
        seed: seed of the training.
        steps: interaction budget in holder decisions.
        rho: the budget of the markets.
        progress: show a progress bar.
        state: file that the training is kept in and goes on from, see `HierarchicalDQN.learn`.
        log: folder for TensorBoard; None logs nothing.

    Returns:
        The trainer, ready for `policies`, with its learning curve.

    Raises:
        PackError: the pack is unknown or damaged.
        OptionError: the budget is too small.
    """
    round_policy, holder_policy = _fixed_halves(name).values()
    trainer = WatchedDQN(
        MarketConfig(pack=pack, rho=rho),
        seed=seed,
        round_policy=round_policy,
        holder_policy=holder_policy,
        settings=settings_of(name),
    )
    text = f"training {name}" if progress else None
    trainer.learn(steps, progress=text, state=state, log=log)
    return trainer


def describe(trainer: HierarchicalDQN, what: str) -> dict[str, Any]:
    """Tell where the weights of a trainer come from.

    Args:
        trainer: the trainer.
        what: "hierarchical", "baselines" or the name of a contestant of a benchmark.

    Returns:
        JSON values: command (that of the benchmark for what `train` does not make), seed, steps,
        pack, its fingerprint, quality model, rho, settings, parameters of a half that is not
        learned, and package version.
    """
    config = trainer.config
    pack = load_pack(config.pack)
    command = (
        f"copyright-gym train {what} --pack {pack.name} --seed {trainer.seed} "
        f"--steps {trainer.budget}"
    )
    if what not in (METHOD, "baselines") or config.rho != MarketConfig.rho:
        command = (
            f"copyright-gym bench run --policies {what} --packs {pack.name} --rho {config.rho:g} "
            f"--seeds {trainer.seed} --steps {trainer.budget} --out runs/bench"
        )
    return {
        "command": command,
        "seed": trainer.seed,
        "steps": trainer.steps,
        "pack": pack.name,
        "pack_sha256": pack_fingerprint(pack),
        "quality_model": config.quality,
        "rho": config.rho,
        "settings": asdict(trainer.settings),
        "fixed": trainer.fixed,
        "version": __version__,
    }
