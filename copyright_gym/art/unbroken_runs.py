"""Plays runs to their end although worker processes may be killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Final

from copyright_gym.art.build_report import BuildReport
from copyright_gym.art.corpus import Run, RunStore, play_runs
from copyright_gym.art.studio import Studio
from copyright_gym.errors import BuildError

_FRUITLESS: Final = 3  # deaths in a row without a finished round between them


def finish_runs(
    make_studio: Callable[[], Studio],
    runs: Sequence[Run],
    folder: Path,
    workers: int,
    report: BuildReport,
) -> None:
    """Play all unfinished runs; new workers take over from killed ones.

    Args:
        make_studio: Builds the studio in each worker; must be picklable.
        runs: The runs.
        folder: Where records are kept.
        workers: Number of processes.
        report: Gets each death.

    Raises:
        BuildError: Workers die again and again with no round finished between.
    """
    from tqdm import tqdm

    store = RunStore(folder)
    todo = [run for run in runs if not store.finished(run)]
    fruitless, rounds = 0, _rounds_done(store, todo)
    with tqdm(total=len(todo), desc="fine-tuning histories", unit="run", smoothing=0.1) as bar:
        while not all(store.finished(run) for run in todo):
            try:
                for _ in play_runs(make_studio, todo, folder, workers):
                    bar.update()
            except BrokenProcessPool as error:
                done = _rounds_done(store, todo)
                fruitless = 0 if done > rounds else fruitless + 1
                rounds = done
                left = sum(not store.finished(run) for run in todo)
                detail = f"{left} of {len(todo)} histories were unfinished"
                given_up = fruitless == _FRUITLESS
                report.add(
                    "killed worker", str(folder), detail, "refused" if given_up else "continued"
                )
                if given_up:
                    raise BuildError(
                        f"workers were killed {_FRUITLESS} times without finishing a round, "
                        "perhaps for lack of memory; all finished rounds are kept: give the same "
                        "command again, with fewer --workers, to go on"
                    ) from error
            bar.n = sum(store.finished(run) for run in todo)
            bar.refresh()


def _rounds_done(store: RunStore, runs: Sequence[Run]) -> int:
    return sum(len(store.distances(run)) for run in runs)
