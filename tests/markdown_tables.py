"""Reads the tables of a Markdown text."""

import re

Row = dict[str, str]


def tables(text: str) -> list[list[Row]]:
    """The tables of a Markdown text, each row by the titles of its columns."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines())
        header, _, *rows = lines
        found.append([dict(zip(header, row, strict=True)) for row in rows])
    return found
