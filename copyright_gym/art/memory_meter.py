"""Counts the bytes of live tensors on a device, operation by operation."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class MemoryMeter(TorchDispatchMode):
    """While it is active, every operation's results count until they are freed.

    Works on the meta device too, whose tensors have sizes but no memory. What an operation needs
    inside itself is not seen.

    Args:
        device: Type of the device.

    Attributes:
        live: Bytes that are alive now.
        peak: The most bytes that were alive at once.
    """

    def __init__(self, device: str = "meta") -> None:
        """Start from nothing."""
        super().__init__()
        self.live = self.peak = 0
        self._device = device
        self._storages: dict[int, weakref.ref[Any]] = {}

    def count(self, tensors: Iterable[Tensor]) -> None:
        """Count tensors; storage that is known already counts once."""
        for tensor in tensors:
            if tensor.device.type != self._device:
                continue
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key not in self._storages:
                freed = functools.partial(self._free, key, size)
                self._storages[key] = weakref.ref(storage, freed)
                self.live += size
        self.peak = max(self.peak, self.live)

    def _free(self, key: int, size: int, _: Any) -> None:
        del self._storages[key]
        self.live -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.count(leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        return result
