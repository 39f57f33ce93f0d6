"""Histories that a pack's surrogate has never seen, to be played for real."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np

from copyright_gym.art.corpus import History, Run, corpus_runs
from copyright_gym.art.live import trimmed
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, PackError
from copyright_gym.heuristics import GreedyHolder, GreedyRound
from copyright_gym.pack import Pack
from copyright_gym.visits import Visitors, visited_histories

# Far from the seeds of corpora.
_FIRST_SEED: Final = 1_000_000
_SEEDS_APART: Final = 10_000
# Fixed, so that equal arguments stay equal histories.
_GREEDY: Final = GreedyHolder(1.0)
_EARLY: Final = GreedyRound(0.5)
_HEURISTICS: Final = (
    Visitors("uniform+uniform", "uniform", "uniform"),
    Visitors("uniform+greedy", "uniform", _GREEDY),
    Visitors("greedy+uniform", _EARLY, "uniform"),
    Visitors("greedy+greedy", _EARLY, _GREEDY),
    Visitors("random+random", "random", "random"),
)
_RHOS: Final = (0.2, 0.4, 0.6, 0.8)
_POOL: Final = 1000  # heuristics' histories to choose from


@dataclass(frozen=True)
class FreshHistory:
    """A history that the surrogate was not fitted to.

    Attributes:
        run: The history and the seed of its training.
        kind: "random" or "visited".
        source: What made it, JSON types only.
    """

    run: Run
    kind: str
    source: dict[str, Any]


def known_histories(pack: Pack) -> set[History]:
    """Return all histories of a pack's corpus and all their beginnings, trimmed.

    Raises:
        PackError: The pack has no corpus.
    """
    import pyarrow.parquet as pq

    path = pack.folder / "corpus.parquet"
    if not path.is_file():
        raise PackError(
            f"pack {pack.name!r} has no corpus.parquet, so which histories are fresh is not known"
        )
    texts = set(pq.read_table(path, columns=["history"])["history"].to_pylist())
    histories = [tuple(map(tuple, json.loads(text))) for text in texts]
    return {trimmed(history[:t]) for history in histories for t in range(len(history) + 1)}


def fresh_histories(
    pack: Pack, number: int, seed: int, visited: Path | None = None
) -> list[FreshHistory]:
    """Draw histories that are not in a pack's corpus, random ones and visited ones in turn.

    Random ones come from the corpus generator (`corpus_runs`) with the seed 1,000,000 + `seed`.
    Visited ones are those of heuristic policies (uniform, greedy, random) at rho 0.2 to 0.8, on
    markets with seeds from 1,000,000 + 10,000 * `seed`; or those of a file. Equal arguments give
    equal histories.

    Args:
        pack: The pack.
        number: How many; of an odd number one more is random.
        seed: Seed of the histories, at least 0.
        visited: File of `packs visits`, in place of the heuristics' histories.

    Raises:
        OptionError: There are too few fresh histories, or the file is unreadable or of another
            pack.
        PackError: The pack has no corpus.
    """
    known = known_histories(pack)
    random = _not_known(_random(pack, number, seed), number - number // 2, known)
    visits = _heuristic(pack, seed) if visited is None else _read(visited, pack)
    visits = _not_known(visits, number // 2, known)
    turns: list[tuple[str, History, dict[str, Any]]] = [
        ("visited", *visits[i // 2]) if i % 2 else ("random", *random[i // 2])
        for i in range(number)
    ]
    # No run of a corpus has such a training seed.
    return [
        FreshHistory(Run(history, _FIRST_SEED + i), kind, source)
        for i, (kind, history, source) in enumerate(turns)
    ]


_Drawn = tuple[History, dict[str, Any]]


def _random(pack: Pack, number: int, seed: int) -> list[_Drawn]:
    seed += _FIRST_SEED
    runs = corpus_runs(len(pack.holders), pack.rounds, 100 + 2 * number, seed)
    return [(run.history, {"generator": "corpus_runs", "seed": seed}) for run in runs]


def _heuristic(pack: Pack, seed: int) -> list[_Drawn]:
    config = MarketConfig(pack=str(pack.folder))
    first = _FIRST_SEED + _SEEDS_APART * seed
    entries = visited_histories(_HEURISTICS, config, _RHOS, _POOL, first)
    # Shuffled, so that few histories are of all budgets and policies.
    return [_drawn(entries[i]) for i in np.random.default_rng(seed).permutation(len(entries))]


def _read(path: Path, pack: Pack) -> list[_Drawn]:
    try:
        found = [_drawn(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(
            f"{path} is no file of `copyright-gym packs visits`: {error!r}"
        ) from error
    holders = set(range(len(pack.holders)))
    for history, _ in found:
        if len(history) > pack.rounds or not holders.issuperset(chain(*history)):
            raise OptionError(
                f"{path} holds histories of another pack: {json.dumps(history)} does not fit "
                f"{pack.rounds} rounds and {len(holders)} holders"
            )
    return found


def _drawn(entry: dict[str, Any]) -> _Drawn:
    history = tuple(tuple(members) for members in entry["history"])
    return history, {name: value for name, value in entry.items() if name != "history"}


def _not_known(drawn: list[_Drawn], number: int, known: Collection[History]) -> list[_Drawn]:
    """Return the first `number` different histories that are not known."""
    found: dict[History, _Drawn] = {}
    for history, source in drawn:
        if trimmed(history) not in known:
            found.setdefault(trimmed(history), (history, source))
    if len(found) < number:
        raise OptionError(
            f"{number} histories that are not in the corpus are needed, and only {len(found)} were "
            "found; ask for fewer, or collect more with: copyright-gym packs visits"
        )
    return list(found.values())[:number]
