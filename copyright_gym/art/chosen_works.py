"""The works that were chosen from a user's folder, and how they are divided into lots."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from copyright_gym.art.image_file import square_image
from copyright_gym.art.studio import Collection
from copyright_gym.art.works import Works
from copyright_gym.errors import OptionError
from copyright_gym.pack import Holder

_NAMED: Final = 3  # credits that a holder's line holds; all are in the pack's works.csv


@dataclass(frozen=True)
class Division:
    """How a folder of works is divided.

    Attributes:
        size: Side of the works in pixels.
        rounds: Number of rounds T.
        lot: Works a lot.
        held_out: Works a holder that are never sold; at least 2, to compare copies with.
        seed: Seed of the order in which a holder's works are taken.
        license: Licence of the works for which `metadata.csv` gives none.
        drop_small_holders: Whether to leave out holders with too few works.
    """

    size: int
    rounds: int = 5
    lot: int = 24
    held_out: int = 40
    seed: int = 0
    license: str = ""
    drop_small_holders: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least in (("size", 1), ("rounds", 1), ("lot", 1), ("held_out", 2)):
            if getattr(self, name) < least:
                raise OptionError(f"{name} must be at least {least}, got {getattr(self, name)}")

    @property
    def needed(self) -> int:
        """Works that each holder needs."""
        return self.held_out + self.rounds * self.lot


@dataclass(frozen=True)
class ChosenWork:
    """A work of the folder that goes into the pack's measurements.

    Attributes:
        file: Its path below the folder, with forward slashes.
        sha256: Checksum of the file.
        holder: Its holder's folder.
        round: The round in which it is offered, from 1; 0 if it is held out.
        caption: What the models are told about it.
        license: Its licence.
        license_url: Where the licence stands.
        attribution: Who made it.
        source: Where it comes from.
    """

    file: str
    sha256: str
    holder: str
    round: int
    caption: str
    license: str
    license_url: str
    attribution: str
    source: str


def load_works(folder: Path, chosen: tuple[ChosenWork, ...], division: Division) -> Collection:
    """Read the chosen works.

    Args:
        folder: The folder of works.
        chosen: From `choose_works`.
        division: The same as there.

    Raises:
        OptionError: A file has changed or is gone since it was chosen.
    """
    groups: dict[str, list[list[ChosenWork]]] = {}
    for work in chosen:
        parts = groups.setdefault(work.holder, [[] for _ in range(division.rounds + 1)])
        parts[work.round].append(work)
    drawn = [[_read(folder, part, division.size) for part in parts] for parts in groups.values()]
    return Collection(
        holders=tuple(
            _holder(name, [work for part in parts for work in part])
            for name, parts in groups.items()
        ),
        lots=tuple(
            tuple(parts[round_] for parts in drawn) for round_ in range(1, division.rounds + 1)
        ),
        held_out=Works.join(parts[0] for parts in drawn),
    )


def _read(folder: Path, works: list[ChosenWork], size: int) -> Works:
    images = np.empty((len(works), size, size, 3), np.uint8)
    framing = np.empty((len(works), 4), np.int64)
    for image, frame, work in zip(images, framing, works, strict=True):
        path = folder / work.file
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != work.sha256:
            raise OptionError(
                f"{path} has changed, or is gone, since it was chosen; a build of other works "
                "needs another --work folder"
            )
        image[...], frame[...] = square_image(data, size)
    return Works(images, tuple(work.caption for work in works), framing)


def _holder(name: str, works: list[ChosenWork]) -> Holder:
    return Holder(
        name=name,
        style=name,
        creator=_credits(work.attribution for work in works) or name,
        licence=_credits(work.license for work in works),
        licence_url=_credits(work.license_url for work in works),
        source=_credits(work.source for work in works),
        homepage="",
    )


def _credits(texts: Iterable[str]) -> str:
    """Join what works have in common, or say how many different texts there are."""
    different = sorted(set(texts) - {""})
    more = f"; {len(different) - _NAMED} more in works.csv" if len(different) > _NAMED else ""
    return "; ".join(different[:_NAMED]) + more


def credits_csv(chosen: tuple[ChosenWork, ...]) -> bytes:
    """Return the pack's `works.csv`: each work's file, checksum, use, licence and credits."""
    buffer = io.StringIO(newline="")
    names = [field.name for field in fields(ChosenWork)]
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(work) for work in chosen)
    return buffer.getvalue().encode()


def read_credits(data: bytes) -> tuple[ChosenWork, ...]:
    """Return the chosen works that a pack's `works.csv` lists."""
    rows: Iterable[dict[str, Any]] = csv.DictReader(io.StringIO(data.decode(), newline=""))
    return tuple(ChosenWork(**{**row, "round": int(row["round"])}) for row in rows)
