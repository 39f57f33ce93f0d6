"""A folder of made-up works for tests of packs that users build."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def draw(path: Path, seed: int, size: tuple[int, int] = (40, 36)) -> None:
    """Write a picture of coarse coloured squares; different seeds look different."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(cells).resize(size, Image.Resampling.NEAREST).save(path)


def write_metadata(folder: Path, rows: list[Mapping[str, str]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def make_folder(folder: Path, holders: Mapping[str, int]) -> Path:
    """Draw so many works of each holder, with captions and a licence a holder."""
    rows: list[Mapping[str, str]] = []
    seed = 0
    for name, count in holders.items():
        rows.append({"file": name, "license": f"Licence of {name}", "attribution": name.title()})
        for index in range(count):
            file = f"{name}/{index:03}.png"
            draw(folder / file, seed)
            rows.append({"file": file, "caption": f"{name}, squares {index}"})
            seed += 1
    write_metadata(folder, rows)
    return folder
