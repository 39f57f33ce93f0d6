"""Makes the plan that the options of `packs plan` ask for."""

from __future__ import annotations

import argparse
import dataclasses
import json

from copyright_gym.art.base_files import find_base, work_size
from copyright_gym.art.builder import CORPUS_SEED
from copyright_gym.art.chosen_works import Division
from copyright_gym.art.corpus import corpus_runs, signal_runs, small_runs
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.plan import ASSUMPTIONS, Throughput, build_plan, build_size, plan_text
from copyright_gym.art.recipes import find_recipe
from copyright_gym.art.rehearsal import rehearse
from copyright_gym.art.requested_build import SAMPLING, TRAINING, given
from copyright_gym.art.sampling import Sampling
from copyright_gym.errors import OptionError


def plan_as_asked(options: argparse.Namespace) -> str:
    """Return the plan, as text or JSON.

    Args:
        options: The parsed options of `packs plan`.

    Raises:
        OptionError: Options are out of range.
    """
    for name in ("holders", "rounds", "lot", "held_out", "workers", "tflops"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise OptionError(f"--{name.replace('_', '-')} must be above 0, got {value}")
    base = find_base(options.base)
    size = work_size(base, options.size)
    settings, division = FinetuneSettings(base_share=0.0), Division(size=size)
    lot, held_out = division.lot, division.held_out
    if options.name is not None:
        recipe = find_recipe(options.name)
        settings, lot = recipe.settings, recipe.facts["lot"]
        held_out = recipe.facts["held_out_a_holder"]
    settings = dataclasses.replace(settings, **given(options, TRAINING))
    sampling = Sampling(**given(options, SAMPLING))
    throughput = (
        Throughput(options.tflops, options.tflops)
        if options.tflops is not None
        else Throughput.of(options.device)
    )
    holders, rounds = options.holders, options.rounds
    runs = [
        *signal_runs(holders, rounds),
        *corpus_runs(holders, rounds, options.histories, CORPUS_SEED),
        *small_runs(holders, rounds, options.small, CORPUS_SEED),
    ]
    work = build_size(
        runs,
        settings,
        holders=holders,
        rounds=rounds,
        lot=options.lot or lot,
        held_out=options.held_out or held_out,
    )
    plan = {
        "base": options.base,
        "image_size": size,
        "finetune": settings.to_dict(),
        "sampling": dataclasses.asdict(sampling),
        **build_plan(
            rehearse(base, settings, sampling, size), work, settings, throughput, options.workers
        ),
        "assumptions": ASSUMPTIONS,
    }
    return json.dumps(plan, indent=1) if options.json else plan_text(plan)
