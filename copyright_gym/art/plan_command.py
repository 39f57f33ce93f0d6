"""The command `packs plan`; light to import."""

from __future__ import annotations

import argparse
from typing import Final

from copyright_gym.art.build_command import RECIPE_NAMES, add_training
from copyright_gym.errors import load_attribute

SDXL: Final = "stabilityai/stable-diffusion-xl-base-1.0"


def add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `plan` to the `packs` command."""
    plan = commands.add_parser("plan", help="estimate GPU memory and hours of a build; no GPU used")
    plan.add_argument(
        "name", nargs="?", choices=RECIPE_NAMES, help="data set; without it give --lot and so on"
    )
    plan.add_argument("--base", default=SDXL, help="base model: a folder, or (default) %(default)s")
    plan.add_argument("--size", type=int, help="side in pixels; by default the base model's")
    plan.add_argument("--holders", type=int, default=8, help="holders (%(default)s)")
    plan.add_argument("--rounds", type=int, default=5, help="rounds (%(default)s)")
    plan.add_argument("--lot", type=int, help="works a lot; by default the data set's, or 24")
    plan.add_argument(
        "--held-out", type=int, help="works a holder never sold; the data set's, or 40"
    )
    plan.add_argument("--histories", type=int, default=60, help="as in `build` (%(default)s)")
    plan.add_argument("--small", type=int, default=0, help="as in `build` (%(default)s)")
    plan.add_argument("--workers", type=int, default=1, help="GPUs, one worker each (%(default)s)")
    device = plan.add_mutually_exclusive_group()
    device.add_argument("--device", default="a100-80gb", help="a known GPU (%(default)s)")
    device.add_argument(
        "--tflops", type=float, help="what your GPU sustains, in place of a known one's"
    )
    plan.add_argument("--json", action="store_true", help="print JSON")
    add_training(plan)
    plan.set_defaults(run=_plan)


def _plan(options: argparse.Namespace) -> None:
    print(load_attribute("copyright_gym.art.requested_plan:plan_as_asked", extra="art")(options))
