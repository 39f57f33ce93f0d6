"""Tensors on disk as safetensors, never half-written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from copyright_gym.whole_file import FULL_DISK


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None
) -> None:
    """Write a file in one piece; a failed attempt leaves nothing behind.

    Args:
        path: The file.
        tensors: Tensors by name.
        facts: Texts by name.

    Raises:
        OSError: The disk is full.
    """
    temporary = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, dict(facts or {}))
        temporary.rename(path)
    except SafetensorError as error:
        for number in FULL_DISK:  # the library tells system errors by their text alone
            if f"(os error {number})" in str(error):
                raise OSError(number, os.strerror(number), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file from `save_tensors`; return its tensors and texts."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, dict(file.metadata() or {})
