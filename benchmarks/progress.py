"""How far a run is, on stderr: a bar on a terminal, else a line for each cell that is done."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts cells that are done, and estimates the time that is left by the mean of what was done.

    Args:
        total: how many cells there are.
        there: how many of them were there before.
    """

    def __init__(self, total: int, there: int) -> None:
        self._total, self._there = total, there
        self._done = 0
        self._start = time.monotonic()
        self._bar = tqdm(total=total, initial=there, unit="cell", disable=None)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def done(self, name: str) -> None:
        """Tell that one more is done.

        Args:
            name: its name.
        """
        self._done += 1
        if not self._bar.disable:
            self._bar.set_postfix_str(name, refresh=False)
            self._bar.update()
            return
        count = self._there + self._done
        mean = (time.monotonic() - self._start) / self._done
        left = tqdm.format_interval(mean * (self._total - count))
        print(f"cell {count} of {self._total}, {left} left: {name}", file=sys.stderr)
