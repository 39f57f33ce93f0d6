"""Reports that a pack holds about its own measurements, added after it was built."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from copyright_gym.errors import PackError, listed
from copyright_gym.pack import find_pack, verify_pack
from copyright_gym.pack_files import (
    ATTRIBUTION,
    COALITIONS,
    COPYRIGHT,
    IMAGE_TEXT,
    MANIFEST,
    read_manifest,
    sha256,
)

REPORTS: Final = (ATTRIBUTION, COALITIONS, COPYRIGHT, IMAGE_TEXT)


def add_reports(name_or_path: str | Path, reports: Sequence[Path]) -> Path:
    """Put reports into a pack; those of the same name are replaced.

    The new pack is put together and verified next to the old one, which is then replaced.

    Args:
        name_or_path: Name of an embedded pack, or a pack's folder.
        reports: Files of `validate`, named as in `REPORTS`.

    Returns:
        The pack's folder.

    Raises:
        PackError: A file is no report, is missing or is of another pack, or the pack would not be
            complete with it.
    """
    folder = find_pack(name_or_path)
    for path in reports:
        if path.name not in REPORTS or not path.is_file():
            raise PackError(
                f"{path} is no report; a pack takes {listed(REPORTS)}, which "
                "`copyright-gym validate` writes into the folder of its measurements"
            )
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        draft = Path(temporary) / folder.name
        shutil.copytree(folder, draft)
        manifest = read_manifest(draft)
        for path in reports:
            data = path.read_bytes()
            _require_same_pack(path, data, manifest["name"])
            (draft / path.name).write_bytes(data)
            manifest["files"][path.name] = sha256(data)
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        (draft / MANIFEST).write_text(text + "\n", encoding="utf-8")
        verify_pack(draft)
        folder.rename(Path(temporary) / "replaced")
        draft.rename(folder)
    return folder


def _require_same_pack(path: Path, data: bytes, pack: str) -> None:
    if path.suffix != ".json":
        return
    try:
        of_pack = json.loads(data).get("pack", pack)
    except (ValueError, AttributeError) as error:
        raise PackError(
            f"{path} is damaged: it holds no JSON object; measure it again with "
            "`copyright-gym validate`"
        ) from error
    if of_pack != pack:
        raise PackError(
            f"{path} is a report on pack {of_pack!r}; add it to that pack, or measure {pack!r}"
        )
