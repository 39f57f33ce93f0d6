"""Writes captions for a folder of works into its `metadata.csv`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from copyright_gym.art.image_file import UnusableWorkError, read_image
from copyright_gym.art.image_text import (
    ImageText,
    fitting_words,
    load_image_text,
    written_captions,
)
from copyright_gym.art.metadata_csv import add_captions, read_metadata
from copyright_gym.art.works_folder import taking_order, works_of_holders
from copyright_gym.errors import OptionError

_AT_ONCE: Final = 16  # works that the model sees at once
_STORED: Final = 256  # works after which metadata.csv is written


def caption_folder(
    folder: Path, model: str, weights: str | None, words: list[Path], count: int | None
) -> None:
    """Caption works that have no caption; a killed call goes on where it was.

    A caption begins with the holder's name, so that models can tell whose hand is asked for.

    Args:
        folder: The folder of works.
        model: See `load_image_text`.
        weights: See `load_image_text`.
        words: Files with a word or phrase a line: the best of each file makes the caption. With
            none a CoCa model writes it.
        count: Caption that many works of each holder, those that a build takes first; None all.

    Raises:
        OptionError: The folder, the model or the words are not usable.
    """
    from tqdm import tqdm

    if count is not None and count < 1:
        raise OptionError(f"--count must be at least 1, got {count}")
    holders = works_of_holders(folder)
    metadata = read_metadata(folder)
    word_lists = [_read_words(path) for path in words]
    todo = [
        file
        for files in holders.values()
        for file in taking_order(files)[:count]
        if not metadata.value(file, "caption")
    ]
    if not todo:
        print("all works have captions")
        return
    image_text = load_image_text(model, weights)
    if not (word_lists or image_text.writes):
        raise OptionError(
            f"{model!r} can't write captions, only compare: give --words FILE, or a CoCa model"
        )
    written, skipped = 0, 0
    with tqdm(total=len(todo), desc="captions", unit="work") as bar:
        for start in range(0, len(todo), _STORED):
            captions = {}
            for part in range(start, min(start + _STORED, len(todo)), _AT_ONCE):
                files = todo[part : min(part + _AT_ONCE, start + _STORED)]
                images = _readable(folder, files, bar)
                captions.update(_captions(image_text, images, word_lists))
                skipped += len(files) - len(images)
                bar.update(len(files))
            add_captions(folder, captions)
            written += len(captions)
    print(f"wrote {written} captions into {folder / 'metadata.csv'}; {skipped} works were skipped")


def _read_words(path: Path) -> list[str]:
    words = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    words = [word for word in words if word]
    if not words:
        raise OptionError(f"{path} has no words; write a word or phrase a line")
    return words


def _readable(folder: Path, files: list[str], bar: Any) -> dict[str, Any]:
    images = {}
    for file in files:
        try:
            images[file] = read_image((folder / file).read_bytes())
        except UnusableWorkError as error:
            bar.write(f"{file} is skipped: {error}")
    return images


def _captions(
    image_text: ImageText, images: dict[str, Any], word_lists: list[list[str]]
) -> dict[str, str]:
    if not images:
        return {}
    shown = list(images.values())
    texts = (
        [", ".join(words) for words in fitting_words(image_text, shown, word_lists)]
        if word_lists
        else written_captions(image_text, shown)
    )
    return {
        file: f"{_spoken(Path(file).parts[0])}, {text}"
        for file, text in zip(images, texts, strict=True)
    }


def _spoken(holder: str) -> str:
    return " ".join(holder.replace("-", " ").replace("_", " ").split())
