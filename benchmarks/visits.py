"""Purchase histories that policies make, for a corpus of real fine-tuning runs.

A surrogate that was fitted to random histories alone is weakest where trained policies go. The
builder fine-tunes on these histories too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from copyright_gym.agents.baselines import make_pair
from copyright_gym.config import MarketConfig
from copyright_gym.visits import Visitors, visited_histories
from copyright_gym.whole_file import write_whole


def visits_to_file(
    policies: Sequence[str], *, pack: str, rhos: Sequence[float], count: int, seed: int, out: Path
) -> None:
    """Write the histories that policies visit to a JSON file, after those that it holds already.

    Args:
        policies: pairs as `make_pair` reads them.
        pack: the pack, a name or a folder.
        rhos: budgets.
        count: how many histories to add.
        seed: first seed of the markets.
        out: the file.

    Raises:
        CopyrightGymError: the pack, a policy or an option is wrong.
    """
    pairs = [make_pair(text, pack) for text in policies]
    visitors = [Visitors(pair.name, pair.round_policy, pair.holder_policy) for pair in pairs]
    entries = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
    entries += visited_histories(visitors, MarketConfig(pack=pack), rhos, count, seed)
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    write_whole(out, f"[\n{lines}\n]\n".encode())
