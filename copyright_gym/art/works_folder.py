"""Chooses works from a user's folder, which has a sub-folder of images a holder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.build_report import BuildReport
from copyright_gym.art.chosen_works import ChosenWork, Division
from copyright_gym.art.distance import AXES
from copyright_gym.art.image_file import SUFFIXES, UnusableWorkError, square_image
from copyright_gym.art.metadata_csv import COLUMNS, METADATA, Metadata, read_metadata
from copyright_gym.art.near_duplicates import Seen
from copyright_gym.errors import OptionError

_MENDS: Final = {
    "missing licence": f"give licences in {METADATA}, column 'license', or by --license",
    "missing caption": f"give captions in {METADATA}, or let `copyright-gym packs captions` do it",
    "tiny image": "choose a smaller --size",
}
_COMPARED_SIZE: Final = 32  # pixels a side at which duplicates are looked for


def works_of_holders(folder: Path) -> dict[str, list[str]]:
    """Return the image files of each holder, as sorted paths below the folder.

    Raises:
        OptionError: The folder is not there, or has no sub-folders.
    """
    if not folder.is_dir():
        raise OptionError(f"{folder} is no folder; give one with a sub-folder of images a holder")
    found: dict[str, list[str]] = {}
    for sub in sorted(folder.iterdir()):
        if sub.is_dir() and not sub.name.startswith("."):
            found[sub.name] = sorted(
                path.relative_to(folder).as_posix()
                for path in sub.rglob("*")
                if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
            )
    if not found:
        raise OptionError(f"{folder} has no sub-folders; each holder needs one with its images")
    return found


def taking_order(files: Sequence[str], seed: int = 0) -> list[str]:
    """Return a holder's files in the order in which they are taken: random, the same everywhere."""
    return sorted(files, key=lambda file: hashlib.sha256(f"{seed} {file}".encode()).digest())


def choose_works(folder: Path, division: Division, report: BuildReport) -> tuple[ChosenWork, ...]:
    """Choose the works: held-out works and lots, all different.

    A holder's works are taken in the order of hashes of their paths, so that it is random and the
    same everywhere. Files are read only until a holder has all it needs. What can't be used is
    left out and named in the report; of equal or nearly equal pictures the first is kept.

    Args:
        folder: The folder of works.
        division: How to divide it.
        report: Gets what was wrong.

    Returns:
        The chosen works, holder by holder in the order of their names.

    Raises:
        OptionError: A holder has too few works, or there are too few holders or held-out works.
    """
    holders = works_of_holders(folder)
    metadata = read_metadata(folder)
    _report_metadata(folder, metadata, holders, report)
    kept: list[_HolderWorks] = []
    small: list[str] = []
    for name, files in holders.items():
        works = _HolderWorks(folder, name, division, metadata, report)
        works.take(files, kept)
        if len(works.chosen) == division.needed:
            kept.append(works)
            continue
        detail = f"{len(works.chosen)} of {len(files)} works can be used, {division.needed} needed"
        done = "dropped" if division.drop_small_holders else "refused"
        report.add("too few works", name, detail, done)
        small.append(f"{name}: {detail}{works.reasons()}")
    if small and not division.drop_small_holders:
        skipped = {finding.what for finding in report.findings}
        mends = [mend for what, mend in _MENDS.items() if what in skipped]
        raise OptionError(
            f"holders with too few works ({division.held_out} held out and {division.rounds} "
            f"rounds of {division.lot} are needed):\n  "
            + "\n  ".join(small)
            + "\n"
            + "; ".join(
                [
                    *mends,
                    "add works, choose fewer --rounds, --lot or --held-out, or give "
                    "--drop-small-holders",
                ]
            )
        )
    if len(kept) < 2:
        names = ", ".join(works.name for works in kept) or "none"
        raise OptionError(f"at least 2 holders with enough works are needed; there are: {names}")
    held_out = len(kept) * division.held_out
    if held_out <= AXES:
        raise OptionError(
            f"{len(kept)} holders x {division.held_out} held-out works are {held_out}; the "
            f"distance needs more than {AXES}: choose a larger --held-out"
        )
    return tuple(work for works in kept for work in works.chosen)


def _report_metadata(
    folder: Path, metadata: Metadata, holders: dict[str, list[str]], report: BuildReport
) -> None:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            report.add("image of no holder", path.name, "not in a sub-folder", "skipped")
    for column in metadata.header:
        if column not in COLUMNS:
            detail = f"known are {', '.join(COLUMNS)}"
            report.add("unknown column", f"{METADATA}: {column}", detail, "continued")
    for file in metadata.rows:
        if file not in holders and not (folder / file).is_file():
            report.add("missing file", file, f"{METADATA} has a line for it", "continued")


@dataclass
class _HolderWorks:
    """Takes works of one holder."""

    folder: Path
    name: str
    division: Division
    metadata: Metadata
    report: BuildReport
    chosen: list[ChosenWork] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    skipped: dict[str, int] = field(default_factory=dict)

    def take(self, files: Sequence[str], kept: Sequence[_HolderWorks]) -> None:
        """Take as many of the files as are needed; `kept` are the holders before."""
        for file in taking_order(files, self.division.seed):
            if len(self.chosen) == self.division.needed:
                return
            try:
                self._take(file, kept)
            except UnusableWorkError as error:
                self.report.add(error.what, file, error.detail, "skipped")
                self.skipped[error.what] = self.skipped.get(error.what, 0) + 1

    def reasons(self) -> str:
        """Return what was skipped, for a message."""
        counts = ", ".join(f"{count} x {what}" for what, count in self.skipped.items())
        return f" ({counts})" if counts else ""

    def _take(self, file: str, kept: Sequence[_HolderWorks]) -> None:
        said = {column: self.metadata.value(file, column) for column in COLUMNS[1:]}
        said["license"] = said["license"] or self.division.license
        if not said["license"]:
            raise UnusableWorkError("missing licence", f"no {METADATA} gives one")
        if not said["caption"]:
            raise UnusableWorkError("missing caption", f"no {METADATA} gives one")
        try:
            data = (self.folder / file).read_bytes()
        except OSError as error:
            raise UnusableWorkError("unreadable image", str(error)) from error
        sha256 = hashlib.sha256(data).hexdigest()
        small = _shrunk(square_image(data, self.division.size)[0])
        for other in [*kept, self]:
            index = other.seen.nearest(small)
            if index is not None:
                twin = other.chosen[index]
                what = "duplicate" if twin.sha256 == sha256 else "near duplicate"
                whose = "" if other is self else f" by {other.name}"
                raise UnusableWorkError(what, f"of {twin.file}{whose}, which is kept")
        self.seen.add(small)
        position = len(self.chosen) - self.division.held_out
        offered = 0 if position < 0 else 1 + position // self.division.lot
        self.chosen.append(ChosenWork(file, sha256, self.name, offered, **said))


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    side = (_COMPARED_SIZE, _COMPARED_SIZE)
    return np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BOX), dtype=np.uint8)
