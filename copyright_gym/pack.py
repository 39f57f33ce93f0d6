"""Packs: everything that an episode needs about one data set, in one folder.

A pack's `manifest.json` holds names, licences, provenance and the SHA-256 of every other
file; `scores.npz` holds the lots' scores and `surrogate.npz` the fitted quality model.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PackError, listed
from copyright_gym.pack_completeness import check_complete
from copyright_gym.pack_files import (
    MANIFEST,
    SCHEMA_VERSION,
    SCORES,
    SURROGATE,
    Arrays,
    files_below,
    npz_bytes,
    read_arrays,
    read_manifest,
    sha256,
)
from copyright_gym.quality import Surrogate, surrogate_from_arrays


@dataclass(frozen=True)
class Holder:
    """A rights holder and the terms under which the works may be used."""

    name: str
    style: str
    creator: str
    licence: str
    licence_url: str
    source: str
    homepage: str


@dataclass(frozen=True)
class QualityFacts:
    """How the quality of a pack was measured.

    Attributes:
        measure: the distance's full name, with its feature network.
        base_distance: distance D0 of the base model, above 0.
        samples: generated images per measurement.
        noise_std: standard deviation of the quality between seeds of real runs.
    """

    measure: str
    base_distance: float
    samples: int
    noise_std: float


@dataclass(frozen=True, eq=False)
class Pack:
    """A loaded pack; its arrays are read-only and shared.

    Attributes:
        folder: where it was read from.
        name: its short name.
        title: its title for humans.
        holders: the H rights holders.
        quality: how quality was measured.
        provenance: versions, seeds and the command that made the pack.
        contribution: float64 (T, H), attribution per lot with mean 1, at least 0.
        semantic: float64 (T, H) in [0, 1], semantic similarity of generated to bought works.
        perceptual: float64 (T, H) in [0, 1], perceptual similarity, likewise.
        works: int64 (T, H), number of works in each lot.
        surrogate: the fitted quality model.
    """

    folder: Path
    name: str
    title: str
    holders: tuple[Holder, ...]
    quality: QualityFacts
    provenance: Mapping[str, Any]
    contribution: NDArray[np.float64]
    semantic: NDArray[np.float64]
    perceptual: NDArray[np.float64]
    works: NDArray[np.int64]
    surrogate: Surrogate

    @property
    def rounds(self) -> int:
        """Number of rounds T."""
        return len(self.contribution)

    def verify(self) -> None:
        """Check every file of the pack; see `verify_pack`."""
        verify_pack(self.folder)


def pack_names() -> list[str]:
    """List the embedded packs.

    Returns:
        Sorted names that `load_pack` knows.
    """
    return sorted(path.parent.name for path in _embedded().glob(f"*/{MANIFEST}"))


def find_pack(name_or_path: str | Path) -> Path:
    """Find the folder of a pack.

    Args:
        name_or_path: name of an embedded pack, or a pack's folder.

    Returns:
        The resolved folder.

    Raises:
        PackError: there is no such pack; the message lists the embedded ones.
    """
    name = str(name_or_path)
    folder = _embedded() / name if name in pack_names() else Path(name_or_path)
    if not folder.is_dir():
        raise PackError(
            f"unknown pack {name!r}: neither an embedded pack nor a folder; "
            f"embedded packs: {listed(pack_names())}"
        )
    return folder.resolve()


def load_pack(name_or_path: str | Path) -> Pack:
    """Read a pack; a pack that was read before comes from memory.

    Args:
        name_or_path: name of an embedded pack, or a pack's folder.

    Returns:
        The pack.

    Raises:
        PackError: the pack is unknown, damaged, or made by a newer version of this package.
    """
    return _read_once(find_pack(name_or_path))


def verify_pack(name_or_path: str | Path) -> None:
    """Recompute the checksum of every file of a pack, and check that a built pack is complete.

    Args:
        name_or_path: name of an embedded pack, or a pack's folder.

    Raises:
        PackError: files are changed, missing or not listed, or the pack is not complete.
    """
    folder = find_pack(name_or_path)
    manifest = read_manifest(folder)
    listed_files: dict[str, str] = manifest["files"]
    present = set(files_below(folder))
    changed = [
        name
        for name, checksum in listed_files.items()
        if name in present and sha256((folder / name).read_bytes()) != checksum
    ]
    problems = {
        "changed": changed,
        "missing": sorted(set(listed_files) - present),
        "not in the manifest": sorted(present - set(listed_files)),
    }
    if any(problems.values()):
        text = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names)
        raise PackError(f"pack {folder} does not match its manifest; {text}")
    check_complete(folder, manifest, _read(folder).works)


def write_pack(
    folder: str | Path,
    *,
    title: str,
    holders: Sequence[Holder],
    quality: QualityFacts,
    provenance: Mapping[str, Any],
    scores: Arrays,
    surrogate: Arrays,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a pack; equal arguments give equal bytes.

    The pack is put together next to `folder` and renamed at the end, so that a half-written
    pack never stands under its name. A folder that is there already is replaced.

    Args:
        folder: where to write; its last part is the pack's name.
        title: title for humans.
        holders: the H rights holders.
        quality: how quality was measured.
        provenance: versions, seeds and command; JSON types only.
        scores: contribution, semantic, perceptual and works, each (T, H).
        surrogate: what `Surrogate.to_arrays` returns.
        files: contents of further files by relative path, with forward slashes.

    Returns:
        The folder.

    Raises:
        PackError: what was written cannot be loaded as a pack.
    """
    folder = Path(folder)
    contents = dict(files or {})
    contents[SCORES] = npz_bytes(scores)
    contents[SURROGATE] = npz_bytes(surrogate)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": folder.name,
        "title": title,
        "rounds": int(np.shape(scores["contribution"])[0]),
        "holders": [asdict(holder) for holder in holders],
        "quality": asdict(quality),
        "provenance": dict(provenance),
        "files": {name: sha256(data) for name, data in contents.items()},
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    contents[MANIFEST] = (text + "\n").encode()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        draft = Path(temporary) / folder.name
        for name, data in contents.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        _read(draft)
        if folder.exists():
            folder.rename(Path(temporary) / "replaced")
        draft.rename(folder)
    _read_once.cache_clear()
    return folder


def _embedded() -> Path:
    return Path(str(resources.files("copyright_gym.envs_assets")))


def _read(folder: Path) -> Pack:
    manifest = read_manifest(folder)
    files = manifest["files"]
    scores = read_arrays(folder, SCORES, files.get(SCORES))
    surrogate = read_arrays(folder, SURROGATE, files.get(SURROGATE))
    try:
        pack = Pack(
            folder=folder,
            name=manifest["name"],
            title=manifest["title"],
            holders=tuple(Holder(**holder) for holder in manifest["holders"]),
            quality=QualityFacts(**manifest["quality"]),
            provenance=manifest["provenance"],
            contribution=scores["contribution"],
            semantic=scores["semantic"],
            perceptual=scores["perceptual"],
            works=scores["works"],
            surrogate=surrogate_from_arrays(surrogate),
        )
        _check(pack, manifest["rounds"])
    except (KeyError, TypeError) as error:
        raise PackError(f"the pack {folder} is incomplete: {error}") from error
    except PackError as error:
        raise PackError(f"the pack {folder} is damaged: {error}") from error
    return pack


_read_once = functools.lru_cache(maxsize=None)(_read)


def _check(pack: Pack, rounds: int) -> None:
    """Raise a PackError when shapes or values are impossible."""
    shape = (rounds, len(pack.holders))
    if min(shape) < 1:
        raise PackError(f"it has {shape[0]} rounds and {shape[1]} holders")
    for name in ("contribution", "semantic", "perceptual", "works"):
        array: NDArray[Any] = getattr(pack, name)
        if array.shape != shape:
            raise PackError(f"{name} has shape {array.shape}, expected {shape}")
        if array.dtype != (np.int64 if name == "works" else np.float64):
            raise PackError(f"{name} has dtype {array.dtype}")
        largest = 1.0 if name in ("semantic", "perceptual") else np.inf
        if not (np.isfinite(array).all() and (array >= 0).all() and (array <= largest).all()):
            raise PackError(f"{name} must be finite, at least 0 and at most {largest}")
    if not np.isclose(pack.contribution.mean(), 1.0, atol=1e-6):
        raise PackError(f"contribution has mean {pack.contribution.mean()}, expected 1")
    if pack.surrogate.shape != shape:
        raise PackError(f"the surrogate is for {pack.surrogate.shape}, expected {shape}")
    quality = pack.surrogate.quality(np.ones((1, *shape), np.bool_))
    if not np.isfinite(quality).all():
        raise PackError("the surrogate's quality of buying everything is not finite")
