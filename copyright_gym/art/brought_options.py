"""The options for what a pack doesn't hold; light to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from copyright_gym.errors import load_attribute


def add_brought(parser: argparse.ArgumentParser) -> None:
    """Add `--works` and `--base` to a command that fine-tunes on a pack."""
    brought = parser.add_argument_group("to fine-tune on a pack of your own works")
    brought.add_argument(
        "--works", type=Path, metavar="FOLDER", help="the folder that it was built from"
    )
    brought.add_argument(
        "--base", metavar="FOLDER_OR_NAME", help="its base model, if the pack doesn't hold it"
    )


def brought(options: argparse.Namespace) -> Any:
    """Return the `Brought` of parsed options."""
    make = load_attribute("copyright_gym.art.pack_studio:brought_by", extra="art")
    return make(options.works, options.base)
