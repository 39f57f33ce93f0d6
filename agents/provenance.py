"""Where a policy or a row of results comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from copyright_gym.pack import Pack
from copyright_gym.pack_files import SCORES, SURROGATE
from copyright_gym.policies import Level, Policy


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


def parameters(policy: Policy) -> dict[str, int | float | str]:
    """Return the numbers and texts among a policy's public attributes."""
    return {
        name: value
        for name, value in vars(policy).items()
        if isinstance(value, int | float | str) and not name.startswith("_")
    }


def fixed_parameters(policies: Mapping[Level, Policy]) -> dict[str, int | float | str]:
    """Return the parameters of policies that a learner is trained against.

    Args:
        policies: by level.

    Returns:
        By level and parameter, for example "round.share".
    """
    return {
        f"{level}.{name}": value
        for level, policy in policies.items()
        for name, value in parameters(policy).items()
    }
