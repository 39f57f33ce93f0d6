"""The card of a pack: what it is, how it was made, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from copyright_gym.art.distance import AXES
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.studio import Collection
from copyright_gym.pack import Holder

_FIGURES: Final = (
    ("R²", "held_out_r2"),
    ("R² of the explainable variance (total minus seed noise)", "held_out_r2_of_explainable"),
    ("mean absolute error", "held_out_mean_absolute_error"),
    ("mean absolute error / seed noise", "held_out_over_seed_noise"),
)


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
        f"{visited} histories are purchases of policies that were trained on an earlier fit of\n"
        "this pack (`visited.json`); the others are random, or those of `signal.json`.\n"
        if visited
        else ""
    )
    own = recipe.base is not None  # the base model was trained for this project
    held = (
        "numbers, credits and weights that were trained for it"
        if own
        else "numbers, credits and, if it is small, the base model"
    )
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
{fit["histories"]}, {fit["rows"]} |
| seed noise of the quality (standard deviation) | {_seed_noise(fit["seed_noise"])} |

## How well the surrogate foresees a measurement

{_surrogate_table(fit)}
Each history was held out once, whole, from the fit and from the choice of its settings
({fit["folds"]} folds). In brackets: 95 % intervals, over histories. Other forms next to this one:
`copyright-gym validate surrogate`.
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


def _surrogate_table(fit: Mapping[str, Any]) -> str:
    """Return the error on held-out histories and the coverage of the stored uncertainty."""
    lines = ["| on held-out histories | value |", "|---|---|"]
    for title, name in _FIGURES:
        low, high = fit[f"{name}_interval"]
        lines.append(f"| {title} | {fit[name]:.4f} [{low:.4f}, {high:.4f}] |")
    for band, entry in fit["held_out_by_lots"].items():
        low, high = entry["mean_absolute_error_interval"]
        lines.append(
            f"| mean absolute error after {band} lots ({entry['rows']} rows) "
            f"| {entry['mean_absolute_error']:.4f} [{low:.4f}, {high:.4f}] |"
        )
    for nominal in (50, 90):
        shares = ", ".join(
            f"{100 * entry[f'inside_{nominal}']:.0f} % ({band})"
            for band, entry in fit["held_out_coverage"].items()
        )
        lines.append(f"| inside the {nominal} % interval of the stored noise, by lots | {shares} |")
    return "\n".join(lines) + "\n"


def _seed_noise(figures: Mapping[str, Any]) -> str:
    return f"{figures['std']:.4f} [{figures['low']:.4f}, {figures['high']:.4f}]"
