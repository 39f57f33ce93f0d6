"""Whether the compiled kernel is there and wanted.

It is built at installation if there is a C compiler. Without it everything works the same, with
the same bits, but slower. The environment variable `COPYRIGHT_GYM_COMPILED=0` leaves it out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from copyright_gym._kernel import Kernel


def _load() -> type[Kernel] | None:
    if os.environ.get("COPYRIGHT_GYM_COMPILED") == "0":
        return None
    try:
        from copyright_gym._kernel import Kernel
    except ImportError:
        return None
    return Kernel


kernel = _load()
"""The compiled kernel, or None. Markets look here when they are made, copied or restored."""
