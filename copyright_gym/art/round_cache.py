"""Rounds of live play on disk, by what was bought so far and the seed of the training.

A round has a JSON record with its distance and a safetensors file with the weights after it, which
later rounds start from. Both are written in one piece. Any of these files may be deleted at any
time: what is missing or damaged is made again when it is needed.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from tqdm import tqdm

from copyright_gym.art.adapters import Weights
from copyright_gym.art.corpus import Run
from copyright_gym.art.tensor_files import load_tensors, save_tensors
from copyright_gym.errors import CacheError
from copyright_gym.pack_files import sha256
from copyright_gym.whole_file import write_whole


class RoundCache:
    """Finished rounds in a folder; several processes may share it.

    A round is named by the `Run` that ends with it.

    Args:
        folder: The folder; created if needed.

    Raises:
        CacheError: The folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        """Check that the folder can be used, before hours of work depend on it."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._lock("writable"):
                pass
        except OSError as error:
            raise CacheError(
                f"the cache folder {folder} cannot be written to ({error.strerror or error}); "
                "choose another one by the option `cache` or by COPYRIGHT_GYM_CACHE"
            ) from error

    @contextlib.contextmanager
    def alone_on(self, run: Run) -> Iterator[None]:
        """Keep other processes from working on a round; wait while one of them does.

        A process that dies gives way at once.
        """
        with self._lock(run.name):
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Say what to do when writing fails.

        Raises:
            CacheError: In place of the error that was met.
        """
        try:
            yield
        except (OSError, SafetensorError) as error:
            raise CacheError(
                f"writing to the cache folder {self.folder} failed ({error}); is the disk full? "
                "All that was finished is kept: make room and play again"
            ) from error

    def distance(self, run: Run) -> float | None:
        """Return the distance after a round, or None if it has not been measured."""
        distance = self._record(run).get("distance")
        return None if distance is None else float(distance)

    def weights(self, run: Run) -> Weights | None:
        """Return the weights after a round, or None if they are not there."""
        path, checksum = self._weights_path(run), self._record(run).get("weights_sha256")
        if checksum is None or not path.exists():
            return None
        if sha256(path.read_bytes()) != checksum:
            _warn_of_damage(path)
            return None
        return load_tensors(path)[0]

    def save_weights(self, run: Run, weights: Weights) -> None:
        """Store the weights after a round; its unfinished steps are no longer needed."""
        path = self._weights_path(run)
        with self.writing():
            save_tensors(path, weights)
        self._save_record(run, self.distance(run), sha256(path.read_bytes()))
        self.unfinished_path(run).unlink(missing_ok=True)

    def save_distance(self, run: Run, distance: float) -> None:
        """Store the distance after a round."""
        self._save_record(run, distance, self._record(run).get("weights_sha256"))

    def unfinished_path(self, run: Run) -> Path:
        """Return where the steps of a round are kept until it is finished."""
        return self.folder / f"{run.name}.unfinished.safetensors"

    def drop_damaged_steps(self, run: Run) -> None:
        """Delete the steps of an unfinished round if they cannot be read."""
        path = self.unfinished_path(run)
        if path.exists():
            try:
                load_tensors(path)
            except SafetensorError:
                _warn_of_damage(path)
                path.unlink()

    def _record(self, run: Run) -> dict[str, Any]:
        path = self._record_path(run)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            same = [list(members) for members in run.history], run.seed
            if (record["history"], record["seed"]) != same:
                raise ValueError("another round")
            distance = record["distance"]
            if not (distance is None or (math.isfinite(distance) and distance >= 0)):
                raise ValueError("no distance")
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            _warn_of_damage(path)
            return {}
        return dict(record)

    def _save_record(self, run: Run, distance: float | None, weights_sha256: str | None) -> None:
        record = {
            "history": run.history,
            "seed": run.seed,
            "distance": distance,
            "weights_sha256": weights_sha256,
        }
        with self.writing():
            write_whole(self._record_path(run), json.dumps(record))

    def _record_path(self, run: Run) -> Path:
        return self.folder / f"{run.name}.json"

    def _weights_path(self, run: Run) -> Path:
        return self.folder / f"{run.name}.safetensors"

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        path = self.folder / f"{name}.lock"
        lock = FileLock(path)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            tqdm.write(f"waiting for the process that holds {path}", file=sys.stderr)
            lock.acquire()
        try:
            yield
        finally:
            # Whoever still waits for a deleted lock finds the round finished.
            with contextlib.suppress(OSError):  # some systems keep open files
                path.unlink()
            lock.release()


def _warn_of_damage(path: Path) -> None:
    warnings.warn(f"{path} is damaged; it will be made again", stacklevel=2)
