"""Choice of the image-text model's settings by retrieval on validation pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from statistics import fmean
from typing import Any, Final

from copyright_gym.art.image_text_pairs import Pairs
from copyright_gym.art.projections import Projections, Settings, retrieval, trained

SEED: Final = 0


@dataclass(frozen=True)
class Grid:
    """Settings to choose from, see `Settings`.

    Attributes:
        widths: Dimensions.
        temperatures: Temperatures.
        dropouts: Shares left out.
        epochs: Epochs; one training serves all.
    """

    widths: tuple[int, ...] = (64, 128)
    temperatures: tuple[float, ...] = (0.05, 0.1)
    dropouts: tuple[float, ...] = (0.0, 0.4)
    epochs: tuple[int, ...] = (5, 10, 20)


def chosen_model(
    pairs: Mapping[str, Pairs], grid: Grid, seed: int = SEED
) -> tuple[Projections, Settings, list[dict[str, Any]]]:
    """Train with all settings of a grid and keep the best by retrieval on validation pairs.

    Args:
        pairs: Pairs of `training` and `validation`.
        grid: The settings.
        seed: Seed of all trainings.

    Returns:
        The model, its settings, and what each setting reached on validation pairs.
    """
    tried: list[tuple[float, Settings, Projections, dict[str, float]]] = []
    for width, temperature, dropout in product(grid.widths, grid.temperatures, grid.dropouts):
        settings = Settings(width, temperature, dropout, max(grid.epochs))
        for epoch, model in enumerate(trained(pairs["training"], settings, seed), start=1):
            if epoch in grid.epochs:
                found = retrieved(model, pairs["validation"])
                stopped = replace(settings, epochs=epoch)
                tried.append((fmean(found.values()), stopped, model, found))
    _, best, model, _ = max(tried, key=lambda entry: entry[0])
    return model, best, [{**asdict(settings), **found} for _, settings, _, found in tried]


def retrieved(model: Projections, pairs: Pairs) -> dict[str, float]:
    """Return the retrieval of a model on pairs, see `retrieval`."""
    return retrieval(model.of_images(pairs.images), model.of_texts(pairs.texts))
