"""The files inside a pack: checksums, the manifest and npz archives."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PackError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
SCORES = "scores.npz"
SURROGATE = "surrogate.npz"
VISITED = "visited.json"  # histories that policies made, for the corpus
COALITIONS = "coalitions.parquet"  # quality of every coalition of one round
ATTRIBUTION = "attribution.json"  # attribution against retrained models
COPYRIGHT = "copyright.json"  # how well the copyright metric tells copies from look-alikes
IMAGE_TEXT = "image_text.json"  # a small image-text model against plain features

Arrays = Mapping[str, NDArray[Any]]


def sha256(data: bytes) -> str:
    """Return the SHA-256 of data in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def npz_bytes(arrays: Arrays) -> bytes:
    """Return arrays as the bytes of an npz; np.savez would store the time of day in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            data = io.BytesIO()
            np.lib.format.write_array(data, np.asarray(arrays[name]), allow_pickle=False)
            archive.writestr(entry, data.getvalue())
    return buffer.getvalue()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a pack.

    Args:
        folder: the pack's folder.

    Returns:
        The manifest, with a schema version that this package reads.

    Raises:
        PackError: the manifest is missing, damaged or too new.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["schema_version"]
        newer = version > SCHEMA_VERSION
    except FileNotFoundError as error:
        raise PackError(f"{folder} is not a pack: it has no {MANIFEST}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise PackError(f"{path} is damaged: {error!r}") from error
    if newer:
        raise PackError(
            f"{path} has schema version {version}, this package reads up to {SCHEMA_VERSION}; "
            "upgrade it with: pip install --upgrade copyright-gym"
        )
    if not isinstance(manifest.get("files"), dict):
        raise PackError(f"{path} is damaged: it lists no files")
    return dict(manifest)


def read_arrays(folder: Path, name: str, checksum: str | None) -> dict[str, NDArray[Any]]:
    """Read an npz of a pack.

    Args:
        folder: the pack's folder.
        name: the file's name.
        checksum: the SHA-256 that the manifest lists for it.

    Returns:
        Read-only arrays by name.

    Raises:
        PackError: the file is missing, damaged or unreadable.
    """
    path = folder / name
    if not path.is_file():
        raise PackError(f"{path} is missing")
    data = path.read_bytes()
    if sha256(data) != checksum:
        raise PackError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays: dict[str, NDArray[Any]] = dict(archive)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise PackError(f"{path} is not a readable npz: {error}") from error
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def files_below(folder: Path) -> Iterator[str]:
    """Yield the relative paths of all files of a pack but its manifest."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST:
            yield name
