"""Plays all runs of a build: shows progress, reports on killed workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from copyright_gym.art.build_report import BuildReport
from copyright_gym.art.corpus import Run, RunStore
from copyright_gym.art.studio import Studio
from copyright_gym.art.workers import Workers


def finish_runs(
    make_studio: Callable[[], Studio],
    runs: Sequence[Run],
    folder: Path,
    workers: Workers,
    report: BuildReport,
) -> None:
    """Play all unfinished runs.

    Args:
        make_studio: Builds the studio in each worker; must be picklable.
        runs: The runs.
        folder: Where records are kept.
        workers: Who plays.
        report: Gets each killed worker.

    Raises:
        BuildError: Workers are killed again and again without progress.
    """
    from tqdm import tqdm

    def notice(text: str) -> None:
        report.add("killed worker", str(folder), text, "continued")

    store = RunStore(folder)
    todo = [run for run in runs if not store.finished(run)]
    with tqdm(total=len(todo), desc="fine-tuning histories", unit="run", smoothing=0.1) as bar:
        for _ in workers.play(make_studio, todo, folder, notice):
            bar.update()
