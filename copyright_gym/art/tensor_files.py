"""Tensors on disk as safetensors, never half-written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None
) -> None:
    """Write a file in one piece; a failed attempt leaves nothing behind.

    Args:
        path: The file.
        tensors: Tensors by name.
        facts: Texts by name.
    """
    temporary = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, dict(facts or {}))
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file from `save_tensors`; return its tensors and texts."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, dict(file.metadata() or {})
