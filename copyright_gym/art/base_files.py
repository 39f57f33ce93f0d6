"""A base model's files: a pack holds small ones, or names another pack or a large model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from copyright_gym.art.blueprint import SDXL_BASE, read_blueprint
from copyright_gym.errors import OptionError, PackError
from copyright_gym.pack import Pack, find_pack

_LARGEST: Final = 200_000_000  # bytes of a base model that a pack still holds


def find_base(text: str) -> str | Path:
    """Tell a local folder from a hub name such as `stabilityai/stable-diffusion-xl-base-1.0`.

    Raises:
        OptionError: It is neither.
    """
    folder = Path(text)
    if folder.is_dir():
        read_blueprint(folder)
        return folder
    if text.count("/") != 1 or text.startswith((".", "/")) or text.endswith("/"):
        raise OptionError(
            f"base model {text!r} is neither a folder nor a hub name such as {SDXL_BASE!r}"
        )
    return text


def work_size(base: str | Path, wanted: int | None) -> int:
    """Return the side in pixels of works for a base model: that it is made for, or another.

    Args:
        base: From `find_base`.
        wanted: Another side.

    Raises:
        OptionError: The model can't take works of that side, or only the hub knows its own.
    """
    if isinstance(base, str) and base != SDXL_BASE:
        if wanted is None:
            raise OptionError(f"the image size of {base!r} is not known here; give --size")
        return wanted
    blueprint = read_blueprint(base)
    scale = 2 ** (len(blueprint["vae"]["block_out_channels"]) - 1)
    step = scale * 2 ** (len(blueprint["unet"]["block_out_channels"]) - 1)
    size = wanted or int(blueprint["unet"]["sample_size"]) * scale
    if size % step:
        raise OptionError(f"--size must be a multiple of {step} for this base model, got {size}")
    return size


def held_base(base: str | Path) -> dict[str, bytes]:
    """Return the files of a small base model by their path in a pack; nothing of a large one."""
    if not isinstance(base, Path):
        return {}
    paths = [path for path in sorted(base.rglob("*")) if path.is_file()]
    if sum(path.stat().st_size for path in paths) > _LARGEST:
        return {}
    return {f"base/{path.relative_to(base).as_posix()}": path.read_bytes() for path in paths}


def base_facts(base: str | Path) -> dict[str, Any]:
    """Return a base model's name, and the checksums of its weights if it is a folder."""
    if not isinstance(base, Path):
        return {"name": base}
    facts: dict[str, Any] = {"name": base.name, "sha256": {}}
    for path in sorted(base.rglob("*.safetensors")):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(2**24):
                digest.update(chunk)
        facts["sha256"][path.relative_to(base).as_posix()] = digest.hexdigest()
    return facts


def base_of(pack: Pack, brought: str | Path | None = None) -> str | Path:
    """Return where the base model of a pack is: in its folder, or in the pack that it names.

    Args:
        pack: The pack.
        brought: Folder or hub name of the model, for packs that neither hold nor share theirs.

    Raises:
        PackError: There is none, or another one than the pack was measured with.
    """
    facts = pack.provenance.get("base", {})
    if brought is not None:
        # A folder that stands for a model of the hub can't be checked.
        key = "sha256" if isinstance(brought, Path) else "name"
        if key in facts and base_facts(brought)[key] != facts[key]:
            raise PackError(
                f"pack {pack.name!r} was measured with the base model {facts['name']!r}, and "
                f"{str(brought)!r} is another one"
            )
        return brought
    shared = facts.get("pack")
    folder = (pack.folder if shared is None else find_pack(shared)) / "base"
    if not (folder / "model_index.json").is_file():
        raise PackError(
            f"pack {pack.name!r} has no base model (folder 'base'), so nothing can be fine-tuned "
            "on it; live play needs a pack made by `copyright-gym packs build`, such as "
            "'portrait', or the model that the pack was measured with, named as `base`"
        )
    if shared is not None and base_facts(folder)["sha256"] != facts["sha256"]:
        raise PackError(
            f"pack {pack.name!r} was measured with another base model than pack {shared!r} has "
            "here; install the package's version that the pack came with"
        )
    return folder
