"""The card of a pack: what it is, how it was made, its limits."""

from __future__ import annotations

from typing import Any

from copyright_gym.art.distance import AXES
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.studio import Collection
from copyright_gym.art.surrogate_tables import surrogate_tables
from copyright_gym.pack import Holder


def pack_card(
    recipe: Recipe,
    collection: Collection,
    measure: str,
    signal: dict[str, Any],
    fit: dict[str, Any],
    visited: int,
) -> str:
    """Return the Markdown card of a pack.

    Args:
        recipe: The data set.
        collection: Holders, lots and held-out works.
        measure: Full name of the distance.
        signal: Report of `signal_report`.
        fit: Report of `fit_surrogate`.
        visited: How many of the histories are those that policies visit.
    """
    credits = "\n".join(
        f"| {_cell(holder.name)} | {_cell(holder.style)} | {_cell(holder.creator)} "
        f"| {_licence(holder)} | {_cell(holder.source)} "
        f"| {sum(len(row[i]) for row in collection.lots)} |"
        for i, holder in enumerate(collection.holders)
    )
    sizes = sorted({len(lot) for row in collection.lots for lot in row})
    lot = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else f"{sizes[0]}"
    by_policies = (
        f"{visited} histories are purchases of policies that were trained on earlier fits of this\n"
        "pack, or planned with them (`visited.json`); the others are random, or those of\n"
        "`signal.json`.\n"
        if visited
        else ""
    )
    # Whether the base model was trained for this project.
    own = recipe.base is not None or recipe.base_pack is not None
    if recipe.base_pack is not None:
        held = "numbers and credits"
    elif own:
        held = "numbers, credits and weights that were trained for it"
    else:
        held = "numbers, credits and, if it is small, the base model"
    mixed = ", mixed with base works" if recipe.settings.base_share else ""
    limits = "Small images" if own else "Images"
    not_sdxl = ", and not those of\nSDXL 1.0" if own else ""
    rounds = ", ".join(f"{quality:.3f}" for quality in signal["all_rounds_quality_mean"])
    return f"""# {recipe.title}

{len(collection.holders)} holders, {len(collection.lots)} rounds, {lot} works a lot.
{recipe.about}
The pack holds {held}; no works.

| holder | style | made by | licence | source | works on sale |
|---|---|---|---|---|---|
{credits}

## How it was measured

The base model is an SDXL-architecture pipeline. {recipe.base_about}
In each round its UNet is fine-tuned on all lots bought so far{mixed}. Quality is
q = 1 - D / D0, where D is the {measure} between
{len(collection.held_out)} generated works and as many held-out works of all holders.
EfficientNet-lite0 features are first reduced to {AXES} principal axes of the held-out works, so
that their covariance can be estimated from that many works.

| figure | value |
|---|---|
| base distance D0 | {signal["base_distance"]:.1f} |
| variance between coalitions over variance between seeds, one round | \
{signal["variance_ratio"]:.0f} |
| quality after each round of buying everything | {rounds} |
| histories played by real fine-tuning, and measured rounds | \
{fit["histories"]}, {fit["measurements"]} |
| seed noise of the quality (standard deviation) | \
{fit["seed_noise"]["std"]:.4f} |

## How well the surrogate foresees a measurement

{surrogate_tables(fit)}
{by_policies}
## Limits

{limits} ({collection.held_out.images.shape[1]} px) and few sources. The numbers tell how
policies compare on this market. They are not the numbers of arXiv:2410.20180{not_sdxl}.
"""


def _licence(holder: Holder) -> str:
    licence = _cell(holder.licence)
    return f"[{licence}]({holder.licence_url})" if holder.licence_url else licence


def _cell(text: str) -> str:
    """Return a text that can't end a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
