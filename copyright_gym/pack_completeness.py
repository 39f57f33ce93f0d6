"""Is a pack complete? What a build by real fine-tuning must leave, counted.

Made-up packs have no corpus, so only packs whose provenance names a recipe are looked at.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PackError
from copyright_gym.pack_files import COALITIONS, VISITED

CORPUS: Final = "corpus.parquet"
WORKS: Final = "works.csv"
_SIGNAL: Final = "signal.json"
_FIT: Final = "surrogate.json"
_BASE: Final = "base/model_index.json"
_NAMED: Final = 5  # gaps that a message names
_ALWAYS: Final = ("card.md", CORPUS, _SIGNAL, _FIT)


def corpus_is_readable() -> bool:
    """Tell whether pyarrow is installed, without which a corpus's rows can't be counted."""
    return importlib.util.find_spec("pyarrow") is not None


def check_complete(folder: Path, manifest: Mapping[str, Any], works: NDArray[np.int64]) -> None:
    """Check that a built pack has all that its build must leave.

    Without pyarrow the rows of the corpus are not looked at.

    Args:
        folder: The pack's folder, all files of which match the manifest.
        manifest: Its manifest.
        works: (T, H) number of works in each lot.

    Raises:
        PackError: Something is missing or doesn't fit; the message names it.
    """
    if "recipe" not in manifest["provenance"]:
        return
    gaps = list(_file_gaps(manifest))
    try:
        if not gaps and WORKS in manifest["files"]:
            gaps += _work_gaps(folder, manifest, works)
        if not gaps and corpus_is_readable():
            gaps += _corpus_gaps(folder, manifest, works.shape)
            if COALITIONS in manifest["files"]:
                gaps += _coalition_gaps(folder, works.shape[1])
    except (KeyError, TypeError, ValueError) as error:
        raise PackError(f"pack {folder} is not complete: an entry is missing: {error!r}") from error
    if gaps:
        more = f"; and {len(gaps) - _NAMED} more" if len(gaps) > _NAMED else ""
        raise PackError(f"pack {folder} is not complete: {'; '.join(gaps[:_NAMED])}{more}")


def _file_gaps(manifest: Mapping[str, Any]) -> Iterator[str]:
    provenance, files = manifest["provenance"], set(manifest["files"])
    needed = [*_ALWAYS, *([WORKS] if provenance["recipe"] == "works" else [])]
    # A large base model is named in the provenance and not held.
    if provenance["base"]["held"]:
        needed.append(_BASE)
    for name in needed:
        if name not in files:
            yield f"{name} is missing"


def _work_gaps(
    folder: Path, manifest: Mapping[str, Any], works: NDArray[np.int64]
) -> Iterator[str]:
    text = (folder / WORKS).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    counts = Counter((row["holder"], int(row["round"])) for row in rows)
    for i, holder in enumerate(manifest["holders"]):
        for t, expected in enumerate(works[:, i].tolist(), start=1):
            found = counts[holder["name"], t]
            if found != expected:
                yield f"{WORKS} has {found} of {expected} works of {holder['name']!r} in round {t}"
    held_out = sum(count for (_, t), count in counts.items() if t == 0)
    if held_out != manifest["quality"]["samples"]:
        yield f"{WORKS} has {held_out} of {manifest['quality']['samples']} held-out works"


def _corpus_gaps(
    folder: Path, manifest: Mapping[str, Any], shape: tuple[int, ...]
) -> Iterator[str]:
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / CORPUS).to_pylist()
    fit, signal = (_json(folder / name) for name in (_FIT, _SIGNAL))
    if len(rows) != fit["rows"]:
        yield f"{CORPUS} has {len(rows)} rows, the surrogate's report counts {fit['rows']}"
    base_distance = manifest["quality"]["base_distance"]
    rounds: dict[tuple[str, int], list[int]] = {}
    for row in rows:
        rounds.setdefault((row["history"], row["seed"]), []).append(row["round"])
        quality = 1 - row["distance"] / base_distance
        if not math.isclose(quality, row["quality"], rel_tol=0, abs_tol=1e-9):
            yield f"{CORPUS}: quality {row['quality']} doesn't follow from its distance"
    most, holders = shape
    for (text, seed), played in rounds.items():
        history = json.loads(text)
        if sorted(played) != list(range(1, len(history) + 1)):
            yield f"{CORPUS}: history {text}, seed {seed}, has rounds {sorted(played)}"
        if len(history) > most or any(not 0 <= i < holders for bought in history for i in bought):
            yield f"{CORPUS}: history {text} is not one of {most} rounds and {holders} holders"
    histories = {text for text, _ in rounds}
    if len(histories) != fit["histories"]:
        yield f"{CORPUS} has {len(histories)} histories, expected {fit['histories']}"
    expected = [[entry["holders"]] for entry in signal["coalitions"]]
    if VISITED in manifest["files"]:
        expected += [entry["history"] for entry in _json(folder / VISITED)]
    for history in expected:
        if json.dumps(history) not in histories:
            yield f"{CORPUS} lacks the history {json.dumps(history)}"


def _coalition_gaps(folder: Path, holders: int) -> Iterator[str]:
    """Check the table of coalitions, which may be of some only."""
    import pyarrow.parquet as pq

    seen: set[tuple[tuple[int, ...], int]] = set()
    for row in pq.read_table(folder / COALITIONS).to_pylist():
        members, run = tuple(row["holders"]), f"coalition {row['holders']}, seed {row['seed']}"
        if members != tuple(sorted(set(members) & set(range(holders)))):
            yield f"{COALITIONS}: {run}, is not one of {holders} holders"
        if (members, row["seed"]) in seen:
            yield f"{COALITIONS} has {run}, twice"
        if not math.isfinite(row["quality"]):
            yield f"{COALITIONS}: the quality of {run}, is {row['quality']}"
        seen.add((members, row["seed"]))


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
