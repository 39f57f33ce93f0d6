"""The file `metadata.csv` of a folder of works: captions, licences and credits."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from copyright_gym.errors import OptionError
from copyright_gym.whole_file import write_whole

METADATA: Final = "metadata.csv"
COLUMNS: Final = ("file", "caption", "license", "license_url", "attribution", "source")


@dataclass(frozen=True)
class Metadata:
    """What `metadata.csv` says.

    Attributes:
        header: Its columns; those of `COLUMNS` count.
        rows: Its rows by file. The row of a holder's folder speaks for all of its works.
    """

    header: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str]]

    def value(self, file: str, column: str) -> str:
        """Return what is said of a work, or else of its holder; "" if nothing is.

        Args:
            file: The work's path below the folder, with forward slashes.
            column: One of `COLUMNS`.
        """
        holder = PurePosixPath(file).parts[0]
        own = self.rows.get(file, {}).get(column, "")
        return own or (self.rows.get(holder, {}).get(column, "") if column != "caption" else "")


def read_metadata(folder: Path) -> Metadata:
    """Read and check `metadata.csv`; a folder without one has an empty one.

    Raises:
        OptionError: It is not UTF-8 or no CSV, lacks the column `file`, has a column twice, or a
            row is too long or short, names no file in the folder's tree, or names one again.
    """
    path = folder / METADATA
    if not path.exists():
        return Metadata(COLUMNS, {})
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError as error:
        raise OptionError(f"{path} is not UTF-8 ({error}); save it as UTF-8") from error
    except csv.Error as error:
        raise OptionError(f"{path}, line {reader.line_num}, is not CSV: {error}") from error
    header = tuple(name.strip() for name in lines[0][1]) if lines else ()
    if "file" not in header or len(set(header)) < len(header):
        raise OptionError(
            f"{path} must have a first line with different columns, one of them 'file' (known: "
            f"{', '.join(COLUMNS)}); it has: {', '.join(header) or 'nothing'}"
        )
    rows: dict[str, dict[str, str]] = {}
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            raise OptionError(
                f"{path}, line {line}, has {len(fields)} fields, expected {len(header)}; put "
                "quotation marks around texts with commas"
            )
        row = {name: field.strip() for name, field in zip(header, fields, strict=True)}
        file = PurePosixPath(row["file"])
        if not row["file"] or file.is_absolute() or ".." in file.parts or not file.parts:
            raise OptionError(
                f"{path}, line {line}: {row['file']!r} is no path below the folder, such as "
                "'holder/work.png'"
            )
        if str(file) in rows:
            raise OptionError(f"{path}, line {line}: {str(file)!r} has a line already; join them")
        rows[str(file)] = row
    return Metadata(header, rows)


def add_captions(folder: Path, captions: Mapping[str, str]) -> None:
    """Write captions into `metadata.csv`, which is replaced in one piece.

    A caption that is there already stays, as do all other rows and columns.

    Args:
        folder: The folder of works.
        captions: Captions by the works' paths below the folder.
    """
    metadata = read_metadata(folder)
    header = (*metadata.header, *(() if "caption" in metadata.header else ("caption",)))
    rows = {file: dict(row) for file, row in metadata.rows.items()}
    for file, caption in captions.items():
        row = rows.setdefault(file, {"file": file})
        row["caption"] = row.get("caption") or caption
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    write_whole(folder / METADATA, buffer.getvalue())
