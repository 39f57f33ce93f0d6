"""Workers that play runs: what any kind of them does, and processes on this machine.

A run is the unit of work. A worker that dies loses at most the steps since the last stored ones:
the run goes on elsewhere and gives the same bits, because all of its randomness hangs on the run.
"""

from __future__ import annotations

import functools
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from copyright_gym.art.corpus import Run, RunStore, play_run
from copyright_gym.art.studio import Studio
from copyright_gym.errors import BuildError, OptionError
from copyright_gym.orphans import end_with_parent

# As many deaths without progress in between are a fault, not bad luck.
FRUITLESS: Final = 3


def notify(text: str) -> None:
    """Print on stderr that a worker was killed."""
    print(f"copyright-gym: a worker was killed: {text}", file=sys.stderr, flush=True)


class Workers(Protocol):
    """What plays runs."""

    def play(
        self,
        make_studio: Callable[[], Studio],
        runs: Sequence[Run],
        folder: Path,
        notice: Callable[[str], None] = notify,
    ) -> Iterator[Run]:
        """Play all unfinished runs; yield each as it finishes and its record is stored.

        Args:
            make_studio: Builds the studio in each worker; must be picklable.
            runs: The runs; finished ones are skipped.
            folder: Where records are kept.
            notice: Is told of each worker that was killed and replaced, and what it left.

        Raises:
            BuildError: Workers are killed again and again without progress.
        """


@dataclass(frozen=True)
class LocalWorkers:
    """Processes on this machine, each with one torch thread and, in turn, one of its GPUs.

    Attributes:
        count: Number of processes.
    """

    count: int = 2

    def __post_init__(self) -> None:
        """Check the count."""
        if self.count < 1:
            raise OptionError(f"a build takes at least 1 worker, got {self.count}")

    def play(
        self,
        make_studio: Callable[[], Studio],
        runs: Sequence[Run],
        folder: Path,
        notice: Callable[[str], None] = notify,
    ) -> Iterator[Run]:
        """Play all unfinished runs, see `Workers`; a broken pool is replaced by a new one."""
        store = RunStore(folder)
        fruitless, rounds = 0, _rounds_done(store, runs)
        while todo := [run for run in runs if not store.finished(run)]:
            try:
                yield from self._play_in_pool(make_studio, todo, folder)
            except BrokenProcessPool as error:
                done = _rounds_done(store, runs)
                fruitless = 0 if done > rounds else fruitless + 1
                rounds = done
                if fruitless == FRUITLESS:
                    raise BuildError(
                        f"workers were killed {FRUITLESS} times without finishing a round, "
                        "perhaps for lack of memory; all finished rounds are kept: give the same "
                        "command again, with fewer --workers, to go on"
                    ) from error
                left = sum(not store.finished(run) for run in todo)
                notice(f"{left} of {len(runs)} histories were unfinished")

    def _play_in_pool(
        self, make_studio: Callable[[], Studio], runs: Sequence[Run], folder: Path
    ) -> Iterator[Run]:
        context = multiprocessing.get_context("spawn")
        start = (make_studio, folder, context.Value("i", 0))
        with ProcessPoolExecutor(self.count, context, _start_process, start) as pool:
            try:
                for done in as_completed([pool.submit(_play, run) for run in runs]):
                    yield done.result()
            except BaseException:  # also Ctrl-C: don't start what is still queued
                pool.shutdown(wait=False, cancel_futures=True)
                raise


class _Process:
    """What a worker process keeps between runs."""

    def __init__(self, make_studio: Callable[[], Studio], folder: Path) -> None:
        self._make_studio, self.store = make_studio, RunStore(folder)

    @functools.cached_property
    def studio(self) -> Studio:
        """The studio; made by the first run, so that an error in it is told as that run's."""
        return self._make_studio()


def _rounds_done(store: RunStore, runs: Sequence[Run]) -> int:
    return sum(len(store.distances(run)) for run in runs)


_process: _Process | None = None


def _start_process(make_studio: Callable[[], Studio], folder: Path, started: Any) -> None:
    global _process
    import torch

    end_with_parent()
    torch.set_num_threads(1)
    with started.get_lock():
        index = started.value
        started.value += 1
    if torch.cuda.is_available():
        torch.cuda.set_device(index % torch.cuda.device_count())
    _process = _Process(make_studio, folder)


def _play(run: Run) -> Run:
    if _process is None:
        raise RuntimeError("worker was not started")
    play_run(_process.studio, run, _process.store)
    return run
