"""The demo: train the hierarchical DQN for a short while and rank it among the baselines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from copyright_gym import __version__
from copyright_gym.agents.baselines import BASELINES, PolicyPair, make_pair
from copyright_gym.agents.provenance import pack_fingerprint
from copyright_gym.agents.training import METHOD, describe, train
from copyright_gym.benchmarks.evaluate import evaluate, write_rows
from copyright_gym.benchmarks.evaluation_markets import evaluation_seeds
from copyright_gym.benchmarks.report import Standing, rank, ranking_chart, ranking_table
from copyright_gym.errors import load_attribute
from copyright_gym.pack import load_pack
from copyright_gym.whole_file import write_whole

RANDOM = "random+random"


def run_demo(
    *, pack: str, seed: int, out: Path, episodes: int, steps: int, live: bool = False
) -> list[Standing]:
    """Train, evaluate, rank, and write `episodes.parquet`, `ranking.png` and `summary.json`.

    Args:
        pack: the pack, a name or a folder.
        seed: seed of the training and of the evaluation's markets.
        out: folder for the results.
        episodes: number of markets that each policy is evaluated on.
        steps: training budget in holder decisions.
        live: play one more episode with real fine-tuning.

    Returns:
        The ranking, best first.

    Raises:
        CopyrightGymError: the pack, the weights or an option is wrong.
    """
    # Imported first: a missing extra should be told before the training, not after it.
    play_live = load_attribute("copyright_gym.art.live:play_live", extra="art") if live else None
    torch.set_num_threads(1)
    loaded = load_pack(pack)
    seeds = evaluation_seeds(seed, episodes)
    others = [make_pair(name, pack) for name in (*BASELINES, RANDOM)]
    print(f"Pack {loaded.name!r}: {len(loaded.holders)} holders, {loaded.rounds} rounds.")
    trainer = train(METHOD, pack=pack, seed=seed, steps=steps)
    method = PolicyPair(METHOD, *trainer.policies(describe(trainer, METHOD)))
    rows = evaluate([method, *others], [trainer.config], seeds)
    standings = rank(rows.to_pydict(), METHOD)
    write_rows(rows, out / "episodes.parquet")
    title = f"pack {loaded.name}, rho = {trainer.config.rho}, {episodes} markets per policy"
    ranking_chart(standings, title, out / "ranking.png")
    summary = {
        "command": f"copyright-gym demo --pack {loaded.name} --seed {seed} "
        f"--episodes {episodes} --steps {steps}",
        "seed": seed,
        "pack": loaded.name,
        "pack_sha256": pack_fingerprint(loaded),
        "quality_model": trainer.config.quality,
        "quality_measure": loaded.quality.measure,
        "rho": trainer.config.rho,
        "episodes": episodes,
        "training_steps": {pair.name: pair.training_steps for pair in (method, *others)},
        "version": __version__,
        "ranking": _as_json(standings),
    }
    text = json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(out / "summary.json", text.encode())
    print(f"\nFinal quality on {title}; the method trained for {trainer.steps:,} steps.\n")
    print(ranking_table(standings))
    print(f"\nRows, chart and summary are in {out}/")
    if play_live is not None:
        play_live(pack, method.round_policy, method.holder_policy, seed)
    return standings


def _as_json(standings: Sequence[Standing]) -> list[dict[str, object]]:
    return [
        {
            name: value._asdict() if hasattr(value, "_asdict") else value
            for name, value in vars(standing).items()
        }
        for standing in standings
    ]
