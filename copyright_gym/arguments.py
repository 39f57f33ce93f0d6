"""Arguments that several commands share, and what checks them."""

from __future__ import annotations

import argparse
from collections.abc import Callable

# Holder decisions that a learner may see; one budget for the method and the baselines.
TRAINING_STEPS = 2_000_000


def add_pack(parser: argparse.ArgumentParser) -> None:
    """Add `--pack`."""
    parser.add_argument(
        "--pack", default="portrait", metavar="NAME_OR_FOLDER", help="the pack (%(default)s)"
    )


def add_rho(parser: argparse.ArgumentParser) -> None:
    """Add `--rho`, one or more budgets."""
    parser.add_argument("--rho", type=float, nargs="+", default=[0.4], help="budgets (0.4)")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add `--seed`."""
    parser.add_argument("--seed", type=integer(0), default=0, metavar="N", help="(%(default)s)")


def add_steps(parser: argparse.ArgumentParser) -> None:
    """Add `--steps`, the interaction budget of a training."""
    parser.add_argument(
        "--steps",
        type=integer(1),
        default=TRAINING_STEPS,
        metavar="N",
        help="training budget in holder decisions (%(default)s)",
    )


def integer(lowest: int) -> Callable[[str], int]:
    """Return what reads an integer of at least `lowest`.

    Args:
        lowest: the lowest integer allowed.

    Returns:
        A type for argparse; other texts are usage errors.
    """

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = lowest - 1
        if number < lowest:
            raise argparse.ArgumentTypeError(f"must be an integer of at least {lowest}: {text!r}")
        return number

    return parse
