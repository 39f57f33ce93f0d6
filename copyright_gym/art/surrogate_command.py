"""The command `validate surrogate`; light to import."""

from __future__ import annotations

import argparse
import json

from copyright_gym.errors import load_attribute
from copyright_gym.pack import find_pack


def add_validate_surrogate(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add `surrogate` to the `validate` command."""
    parser = actions.add_parser(
        "surrogate", help="forms of surrogate on held-out histories; from the pack alone"
    )
    parser.add_argument("--pack", default="portrait", metavar="NAME_OR_FOLDER")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_validate_surrogate)


def _validate_surrogate(options: argparse.Namespace) -> None:
    module = "copyright_gym.art.validate_surrogate:validate_surrogate"
    report = load_attribute(module, extra="art")(find_pack(options.pack))
    if options.json:
        print(json.dumps(report, indent=1, sort_keys=True))
        return
    tables = load_attribute("copyright_gym.art.surrogate_tables:surrogate_tables", extra="art")
    print(f"{report['pack']}: {report['histories']} histories with a purchase\n")
    print(tables(report))
