"""How tables show numbers and rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from copyright_gym.benchmarks.statistics import Interval


def interval_text(interval: Interval, form: str = ".4f") -> str:
    """Write an estimate with the ends of its interval.

    Args:
        interval: the interval.
        form: format of each number.

    Returns:
        The text, as "0.5 [0.4, 0.6]"; "–" if nothing is known.
    """
    if isnan(interval.estimate):
        return "–"
    return f"{interval.estimate:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown.

    Args:
        header: the columns' titles.
        rows: a text per column.

    Returns:
        The table, without a newline at its end.
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
