"""The settings that all records of a work folder were made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.lot_scores import DEFAULT_PARTS, CopyrightParts
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.sampling import Sampling
from copyright_gym.errors import OptionError, listed
from copyright_gym.whole_file import write_whole


def pin_settings(
    path: Path,
    recipe: Recipe,
    base: Mapping[str, Any],
    settings: FinetuneSettings,
    sampling: Sampling,
    feature: str,
    parts: CopyrightParts = DEFAULT_PARTS,
) -> None:
    """Keep a work folder to the settings, works and base model of its first records.

    Args:
        path: Where the settings of the folder are kept.
        recipe: The data set.
        base: The base model's facts, see `base_facts`.
        settings: How a round trains.
        sampling: How works are drawn.
        feature: Feature network of the distance.
        parts: Networks of the copyright metric.

    Raises:
        OptionError: The folder's records were made with others.
    """
    wanted = {
        "finetune": settings.to_dict(),
        "sampling": asdict(sampling),
        "feature": feature,
        "copyright": parts.named(),
        "works": dict(recipe.facts),
        "base": base.get("sha256", base["name"]),
    }
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        # Records from before a setting existed were made with its default.
        made_with = {
            "finetune": FinetuneSettings(**stored["finetune"]).to_dict(),
            "sampling": asdict(Sampling(**stored.get("sampling", {}))),
            "feature": stored["feature"],
            "copyright": stored.get("copyright", DEFAULT_PARTS.named()),
            "works": stored.get("works", wanted["works"]),
            "base": stored.get("base", wanted["base"]),
        }
        other = [name for name, value in wanted.items() if made_with[name] != value]
        if other:
            raise OptionError(
                f"{path.parent} holds records made with other settings (different: "
                f"{listed(other)}; stored: {json.dumps(stored)}); choose another folder"
            )
    write_whole(path, json.dumps(wanted, indent=1))
