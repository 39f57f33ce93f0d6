"""CLIP's tokenizer, whole or with a small vocabulary."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Final

TEXT_TOKENS: Final = 56
BPE_MERGES: Final = 2000


def build_tokenizer(merged: int = BPE_MERGES, tokens: int = TEXT_TOKENS) -> Any:
    """Return a CLIP tokenizer with the first merges of open_clip's BPE file.

    Args:
        merged: Number of merges; 48,894 are all of CLIP's.
        tokens: Length of a tokenized caption; CLIP's is 77.
    """
    import open_clip
    from transformers import CLIPTokenizer

    path = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    # The annotation of `CLIPTokenizer` asks for strings; the tokenizer itself takes pairs.
    merges: Any = [tuple(line.split()) for line in lines[1 : merged + 1]]
    characters = list(_byte_characters())
    vocabulary = characters + [character + "</w>" for character in characters]
    vocabulary += ["".join(pair) for pair in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)},
        merges=merges,
        model_max_length=tokens,
    )


def _byte_characters() -> list[str]:
    """Return CLIP's printable stand-in for each byte, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    stand_ins = printable + [256 + index for index in range(len(others))]
    return [chr(code) for code in stand_ins]
