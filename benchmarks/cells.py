"""The cells of a benchmark: a contestant, a pack, a budget and a training seed each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from copyright_gym.agents.provenance import pack_fingerprint
from copyright_gym.benchmarks.contestant_names import expand, is_trained, label
from copyright_gym.benchmarks.contestants import policy_fingerprints
from copyright_gym.benchmarks.evaluation_markets import LAST_TRAINING_SEED, evaluation_seeds
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.pack import load_pack

LIVE = "live"
"""The quality model of cells that are played with real fine-tuning."""


@dataclass(frozen=True)
class Cell:
    """One unit of work.

    Attributes:
        policy: name of the contestant.
        config: options of the markets.
        training_seed: seed of the training; None if the contestant needs none.
        steps: interaction budget in holder decisions; 0 if it needs none.
        evaluation_seed: seed of the evaluation's markets.
        episodes: number of markets.
        source: of a cell of a transfer, the pack that is trained on in place of `config`'s.
    """

    policy: str
    config: MarketConfig
    training_seed: int | None
    steps: int
    evaluation_seed: int
    episodes: int
    source: str | None = None

    @property
    def path(self) -> Path:
        """Where its rows are, below the benchmark's folder."""
        folder = "cells" if self.source is None else "transfer"
        if self.config.quality == LIVE:
            folder = LIVE
        return Path(folder) / f"{self.key}.parquet"

    @property
    def key(self) -> str:
        """A name for its files: readable, and different if anything that matters differs."""
        evaluation: list[int | str] = [self.evaluation_seed, self.episodes]
        if self.source is not None:
            evaluation.append(pack_fingerprint(load_pack(self.source)))
        return self._name(evaluation)

    @property
    def training_key(self) -> str:
        """Likewise for the trained policies, which no option of the evaluation changes."""
        return replace(self, config=self.training_config)._name([])

    @property
    def training_config(self) -> MarketConfig:
        """Options of the markets that are trained on."""
        return replace(self.config, pack=self.source or self.config.pack, quality="surrogate")

    def _name(self, evaluation: list[int | str]) -> str:
        pack = load_pack(self.config.pack)
        facts = [
            self.policy,
            policy_fingerprints(self.policy),
            asdict(self.config) | {"pack": pack_fingerprint(pack)},
            self.training_seed,
            self.steps,
            *evaluation,
        ]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
        name = "".join(c if c.isalnum() or c in "+-" else "_" for c in label(self.policy))
        seed = "" if self.training_seed is None else f"-seed{self.training_seed}"
        return f"{pack.name}-rho{self.config.rho:g}-{name}{seed}-{digest}"


def make_cells(
    policies: Sequence[str],
    *,
    packs: Sequence[str],
    rhos: Sequence[float],
    seeds: Sequence[int],
    steps: int,
    evaluation_seed: int,
    episodes: int,
    source: str | None = None,
    live: bool = False,
) -> list[Cell]:
    """List the cells of a benchmark.

    Args:
        policies: contestants and groups of them.
        packs: names or folders of packs.
        rhos: budgets.
        seeds: seeds of the trainings, at most `LAST_TRAINING_SEED`.
        steps: interaction budget of each training.
        evaluation_seed: seed of the evaluation's markets, the same for all.
        episodes: number of markets.
        source: of a transfer, the pack to train on; None trains on each pack itself.
        live: evaluate with real fine-tuning.

    Returns:
        The cells, each once.

    Raises:
        PolicyError: a contestant is unknown.
        PackError: a pack is unknown or damaged.
        OptionError: an option is out of range.
    """
    evaluation_seeds(evaluation_seed, episodes)
    if any(not 0 <= seed <= LAST_TRAINING_SEED for seed in seeds):
        raise OptionError(
            f"seeds of trainings must lie in 0 to {LAST_TRAINING_SEED}, below those of the "
            f"markets of the evaluation, not {list(seeds)}"
        )
    for pack in packs:
        load_pack(pack)
    quality = LIVE if live else "surrogate"
    cells = [
        Cell(
            name,
            MarketConfig(pack=pack, rho=rho, quality=quality),
            seed,
            steps if is_trained(name) else 0,
            evaluation_seed,
            episodes,
            source,
        )
        for pack in packs
        for rho in rhos
        for name in expand(policies)
        for seed in (seeds if is_trained(name) else (None,))
    ]
    return list(dict.fromkeys(cells))
