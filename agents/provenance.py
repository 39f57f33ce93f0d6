"""Where a policy or a row of results comes from."""

from __future__ import annotations

import hashlib

from copyright_gym.pack import Pack
from copyright_gym.pack_files import SCORES, SURROGATE


def pack_fingerprint(pack: Pack) -> str:
    """Identify a pack by the two files that episodes depend on.

    Args:
        pack: the pack.

    Returns:
        SHA-256 in hexadecimal of the scores' and the surrogate's bytes, one after the other.
    """
    digest = hashlib.sha256()
    for name in (SCORES, SURROGATE):
        digest.update((pack.folder / name).read_bytes())
    return digest.hexdigest()
