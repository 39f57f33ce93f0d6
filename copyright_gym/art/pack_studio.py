"""The studio that a pack was measured in, set up again."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from copyright_gym.art.base_files import base_of, find_base
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.lot_scores import CopyrightParts
from copyright_gym.art.pinned_settings import pin_settings
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.recipes import find_recipe
from copyright_gym.art.sampling import Sampling
from copyright_gym.art.studio import Studio
from copyright_gym.art.works_recipe import WORKS, recipe_of_pack
from copyright_gym.errors import OptionError, PackError
from copyright_gym.pack import Pack
from copyright_gym.whole_file import write_whole


@dataclass(frozen=True)
class Brought:
    """What a pack may not hold, and a user brings to fine-tune on it.

    Attributes:
        works: Folder of the works that the pack was built from, if it was built from a folder.
        base: Folder or hub name of the base model, if the pack neither holds nor shares it.
    """

    works: Path | None = None
    base: str | Path | None = None


NOTHING: Final = Brought()


def brought_by(works: Path | None, base: str | None) -> Brought:
    """Return what a user brings.

    Args:
        works: As in `Brought`.
        base: Folder or hub name of the base model.

    Raises:
        OptionError: `base` is neither.
    """
    return Brought(works, None if base is None else find_base(base))


@functools.lru_cache(maxsize=1)
def pack_studio(pack: Pack, brought: Brought = NOTHING) -> Studio:
    """Set up the studio that a pack was measured in, and check that it has the same works.

    The last one is kept: environments of one process share it.

    Args:
        pack: The pack.
        brought: What it doesn't hold.

    Raises:
        PackError: Something is missing, see `require_studio`, or the held-out works are other
            ones than the pack was made of.
        OptionError: A work has changed since the pack was built.
        MissingWorksError: If packages that works are drawn from were not fetched.
    """
    require_studio(pack, brought)
    facts = pack.provenance
    settings = FinetuneSettings(**facts["finetune"])
    recipe = pack_recipe(pack, brought)
    studio = recipe.studio(
        base_of(pack, brought.base), settings, facts["feature"], Sampling(**facts["sampling"])
    )
    if studio.collection.held_out.digest() != facts["works"]["held_out_sha256"]:
        raise PackError(
            f"the recipe {recipe.name!r} gives other works here than those pack {pack.name!r} was "
            f"measured on; install the versions in its manifest: {facts['packages']}"
        )
    return studio


def pack_recipe(pack: Pack, brought: Brought = NOTHING) -> Recipe:
    """Return the recipe that a pack was built by."""
    if brought.works is None:
        return find_recipe(pack.provenance["recipe"])
    return recipe_of_pack(pack, brought.works)


def pin_pack(pack: Pack, folder: Path, brought: Brought, parts: CopyrightParts) -> None:
    """Make a folder for records of a pack, and keep it to that pack and these networks.

    Args:
        pack: The pack.
        folder: The folder; it may be the pack's build folder.
        brought: What the pack doesn't hold.
        parts: Networks of the copyright metric.

    Raises:
        OptionError: The folder's records are of another pack or were made with other settings.
        PackError: The pack can't be fine-tuned on, see `require_studio`.
    """
    require_studio(pack, brought)
    facts = pack.provenance
    folder.mkdir(parents=True, exist_ok=True)
    # Packs may share all settings, so the works tell them apart.
    works = {name: facts["works"].get(name) for name in ("held_out_sha256", "lots_sha256")}
    path = folder / "pack.json"
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["works"] != works:
            raise OptionError(
                f"{folder} holds records of other works, those of pack {stored['pack']!r}; choose "
                f"another folder for pack {pack.name!r}"
            )
    pin_settings(
        folder / "settings.json",
        pack_recipe(pack, brought),
        facts["base"],
        FinetuneSettings(**facts["finetune"]),
        Sampling(**facts.get("sampling", {})),
        facts["feature"],
        parts,
    )
    write_whole(path, json.dumps({"pack": pack.name, "works": works}, indent=1))


def pack_parts(pack: Pack) -> CopyrightParts:
    """Return the networks that a pack's copyright losses were measured with."""
    return CopyrightParts(**pack.provenance.get("copyright", {}))


def require_studio(pack: Pack, brought: Brought = NOTHING) -> None:
    """Check that a pack can be fine-tuned on.

    Args:
        pack: The pack.
        brought: What it doesn't hold.

    Raises:
        PackError: It was not made by real fine-tuning, there is no base model or another one, or
            works are missing or not asked for.
    """
    base_of(pack, brought.base)
    if not {"recipe", "finetune", "feature", "works"} <= pack.provenance.keys():
        raise PackError(
            f"pack {pack.name!r} names no recipe, so nothing can be fine-tuned on it; live play "
            "needs a pack made by `copyright-gym packs build`, such as 'portrait'"
        )
    from_folder = pack.provenance["recipe"] == WORKS
    if from_folder and brought.works is None:
        raise PackError(
            f"pack {pack.name!r} was built from a folder of works, which it doesn't hold; name "
            "that folder as `works`"
        )
    if brought.works is not None and not from_folder:
        raise PackError(
            f"pack {pack.name!r} was not built from a folder of works; leave out `works`"
        )
