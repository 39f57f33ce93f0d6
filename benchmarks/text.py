"""How tables show numbers and rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from math import isnan

from copyright_gym.benchmarks.statistics import Interval

NOTHING = "–"
"""Stands where nothing is known."""


def interval_text(interval: Interval | None, form: str = ".4f") -> str:
    """Write an estimate with the ends of its interval.

    Args:
        interval: the interval, or None.
        form: format of each number.

    Returns:
        The text, as "0.5 [0.4, 0.6]"; "–" if nothing is known.
    """
    if interval is None or isnan(interval.estimate):
        return NOTHING
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


def latex_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in LaTeX.

    Args:
        header: the columns' titles.
        rows: a text per column.

    Returns:
        A `tabular`, without a newline at its end.
    """
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * len(header)}}}",
            *(" & ".join(map(latex_text, line)) + r" \\" for line in (header, *rows)),
            r"\end{tabular}",
        ]
    )


def latex_text(text: str) -> str:
    """Write a text so that LaTeX shows it as it is.

    Args:
        text: one without braces and backslashes.
    """
    return re.sub(r"([%_&#$])", r"\\\1", text).replace(NOTHING, "--")


def csv_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a table as CSV.

    Args:
        header: the columns' names.
        rows: a value per column.

    Returns:
        The table, with a newline at its end.
    """
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows((header, *rows))
    return table.getvalue()


def csv_names(name: str) -> tuple[str, str, str]:
    """Name the columns that `csv_interval` fills."""
    return name, f"{name}_low", f"{name}_high"


def csv_interval(interval: Interval | None) -> tuple[float | str, ...]:
    """Return an estimate and the ends of its interval as values of a CSV table.

    Args:
        interval: the interval, or None.

    Returns:
        Three numbers; three empty texts if nothing is known.
    """
    return ("",) * 3 if interval is None or isnan(interval.estimate) else tuple(interval)
