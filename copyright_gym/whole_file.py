"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT)


def write_whole(path: str | Path, data: bytes | str) -> None:
    """Write a file in one piece; a failed attempt leaves the old file, and nothing else.

    Args:
        path: The file. Its folder is created.
        data: Its contents; text becomes UTF-8.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.part{os.getpid()}")
    try:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
