"""Workers on a Ray cluster: one actor for each GPU, or for each core where there are none.

Where the nodes share the record folder, actors keep their rounds in it as local processes do.
Where they don't, an actor keeps rounds in a scratch folder, distances return through Ray's object
store and the driver writes the records.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import tempfile
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray.exceptions import RayActorError, RayTaskError

from copyright_gym.art.corpus import Run, RunStore, play_run
from copyright_gym.art.studio import Studio
from copyright_gym.art.workers import FRUITLESS, notify
from copyright_gym.errors import BuildError, OptionError

# Another version may round otherwise, and its records would not be this build's.
_SAME_VERSIONS: Final = ("copyright-gym", "torch", "diffusers", "numpy")


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that decide a run's bits."""
    return {name: importlib.metadata.version(name) for name in _SAME_VERSIONS}


class Player:
    """Plays runs; an actor of its own."""

    def start(self, make_studio: Callable[[], Studio], mark: Path) -> dict[str, str]:
        """Set up the studio; return `installed_versions`.

        Args:
            make_studio: Builds the studio.
            mark: A file of the driver in its record folder. A worker that finds it shares the
                folder.
        """
        import torch

        torch.set_num_threads(1)
        folder = mark.parent
        if not mark.exists():
            self._scratch = tempfile.TemporaryDirectory(prefix="copyright-gym-")
            folder = Path(self._scratch.name)
        self._store = RunStore(folder)
        self._studio = make_studio()
        return installed_versions()

    def play(self, run: Run) -> list[float]:
        """Return the distance after each round of a run."""
        return play_run(self._studio, run, self._store)


@dataclass(frozen=True)
class RayWorkers:
    """Actors on a Ray cluster, each with one core and, where the cluster has any, one GPU.

    Attributes:
        address: Address of the cluster, see `ray.init`; `auto` is the one this machine is in.
        count: Number of actors; by default as many as the cluster has GPUs, else cores.
    """

    address: str = "auto"
    count: int | None = None

    def __post_init__(self) -> None:
        """Check the count."""
        if self.count is not None and self.count < 1:
            raise OptionError(f"a build takes at least 1 worker, got {self.count}")

    def play(
        self,
        make_studio: Callable[[], Studio],
        runs: Sequence[Run],
        folder: Path,
        notice: Callable[[str], None] = notify,
    ) -> Iterator[Run]:
        """Play all unfinished runs, see `Workers`; an actor that dies is replaced.

        Raises:
            BuildError: No cluster at the address, a node with other versions of the packages
                that decide a run's bits, or actors that keep dying.
        """
        store = RunStore(folder.resolve())
        todo = [run for run in runs if not store.finished(run)]
        if not todo:
            return
        _connect(self.address)
        mark = _leave_mark(store.folder)
        try:
            yield from _Driver(make_studio, store, mark, notice).drive(todo, self.count)
        finally:
            ray.shutdown()
            mark.unlink(missing_ok=True)


def _connect(address: str) -> None:
    # A cluster that is already running decides for itself.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, ValueError) as error:
        raise BuildError(
            f"no Ray cluster answers at {address!r} ({error}); start one with `ray start --head` "
            "or give its --address"
        ) from error


def _leave_mark(folder: Path) -> Path:
    mark = folder / f"shared-{uuid.uuid4().hex}"
    mark.touch()
    return mark


class _Driver:
    """Hands out runs and stores what comes back."""

    def __init__(
        self,
        make_studio: Callable[[], Studio],
        store: RunStore,
        mark: Path,
        notice: Callable[[str], None],
    ) -> None:
        self._make_studio, self._store, self._mark = make_studio, store, mark
        self._notice = notice
        gpus = int(ray.cluster_resources().get("GPU", 0))
        self._units = gpus or max(1, int(ray.cluster_resources().get("CPU", 0)))
        self._actor_class: Any = ray.remote(num_cpus=1, num_gpus=min(gpus, 1))(Player)
        # What each actor is doing now: a run, or None while it starts.
        self._doing: dict[Any, tuple[Any, Run | None]] = {}
        self._deaths: Counter[Run | None] = Counter()

    def drive(self, runs: Sequence[Run], count: int | None) -> Iterator[Run]:
        """Play runs; yield each when its record is stored."""
        todo = deque(runs)
        for _ in range(min(count or self._units, len(todo))):
            self._start()
        unfinished = len(todo)
        while unfinished:
            [ready], _ = ray.wait(list(self._doing), num_returns=1)
            actor, run = self._doing.pop(ready)
            try:
                answer = ray.get(ready)
            except RayActorError as error:
                self._bury(run, error)
                if run is not None:
                    todo.appendleft(run)
                self._start()
                continue
            except RayTaskError as error:
                raise error.cause from error
            if run is None:
                self._check(answer)
            else:
                if not self._store.finished(run):
                    self._store.save_distances(run, answer)
                unfinished -= 1
                yield run
            if todo:
                following = todo.popleft()
                self._doing[actor.play.remote(following)] = actor, following

    def _start(self) -> None:
        actor = self._actor_class.remote()
        self._doing[actor.start.remote(self._make_studio, self._mark)] = actor, None

    def _bury(self, run: Run | None, error: RayActorError) -> None:
        """Count a death by what the worker did, so that a fatal history is found out."""
        self._deaths[run] += 1
        what = "it was starting" if run is None else f"it was playing history {run.name}"
        if self._deaths[run] == FRUITLESS:
            raise BuildError(
                f"workers were killed {FRUITLESS} times while one was doing the same ({what}), "
                f"perhaps for lack of memory; all finished histories are in {self._store.folder}: "
                f"give the same command again to go on. Ray says: {error}"
            ) from error
        self._notice(what)

    def _check(self, versions: dict[str, str]) -> None:
        if versions != (here := installed_versions()):
            raise BuildError(
                f"a worker has {versions}, this machine {here}: histories would not come out the "
                "same; install the same versions on all nodes"
            )
