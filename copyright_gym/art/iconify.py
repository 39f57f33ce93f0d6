"""Drawings in Iconify's format: one JSON file for a whole set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def icon_svg(icons: Mapping[str, Any], name: str) -> str:
    """Return a drawing as SVG.

    Args:
        icons: The contents of a set's `icons.json`.
        name: One of its `icons`.
    """
    icon = icons["icons"][name]
    box = [icon.get("left", 0), icon.get("top", 0)]
    box += [icon.get(side, icons.get(side, 16)) for side in ("width", "height")]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'
    )
