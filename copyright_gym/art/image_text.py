"""Image-text models of open_clip: captions by CoCa, or by the words that fit best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from copyright_gym.errors import MissingWeightsError, OptionError

# As open_clip's own `generate`, which needs a class that transformers 5 no longer has.
_LONGEST: Final = 30
_SHORTEST: Final = 5
_PROMPT: Final = "a picture of {}"


@dataclass(frozen=True)
class ImageText:
    """An image-text model, ready for use.

    Attributes:
        model: The open_clip model, frozen.
        preprocess: From a Pillow image to the model's input.
        tokenizer: From texts to tokens.
        device: Where the model is.
    """

    model: Any
    preprocess: Any
    tokenizer: Any
    device: torch.device

    @property
    def writes(self) -> bool:
        """Whether it is a CoCa model, which writes captions itself."""
        import open_clip

        # Others' tokenizers don't say how a caption begins and ends.
        own = isinstance(self.tokenizer, open_clip.SimpleTokenizer)
        return own and isinstance(self.model, open_clip.CoCa)

    def inputs(self, images: Sequence[Any]) -> Tensor:
        """Return the model's input (n, 3, h, w) for n Pillow images of mode RGB."""
        return torch.stack([self.preprocess(image) for image in images]).to(self.device)


def load_image_text(name: str, weights: str | None) -> ImageText:
    """Load an image-text model; only a model or weights named as the hub's are downloaded.

    Args:
        name: See `load_model`.
        weights: See `load_model`.

    Raises:
        OptionError: See `load_model`; or the tokenizer would be downloaded.
        MissingWeightsError: See `load_model`.
    """
    import open_clip

    _require_known(name, weights)
    _require_local(name, weights, "hf_tokenizer_name")
    model, preprocess = load_model(name, weights)
    with _clear_errors(name, weights):
        tokenizer = open_clip.get_tokenizer(name)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return ImageText(model.to(device), preprocess, tokenizer, device)


def load_model(name: str, weights: str | None) -> tuple[Any, Any]:
    """Load an open_clip model, frozen, and its preprocessing of Pillow images.

    Args:
        name: An architecture of open_clip such as `coca_ViT-L-14`, or `local-dir:FOLDER` or
            `hf-hub:NAME`, which hold their weights.
        weights: Weights of an architecture: a file, or a tag that open_clip knows and downloads.

    Raises:
        OptionError: open_clip knows no such model, weights are given or missing wrongly, or the
            text part would be downloaded.
        MissingWeightsError: The weights are neither a file nor a known tag, can't be reached or
            are not the model's.
    """
    import open_clip

    _require_known(name, weights)
    _require_local(name, weights, "hf_model_name")
    with _clear_errors(name, weights):
        model, preprocess = open_clip.create_model_from_pretrained(name, pretrained=weights)
    return model.eval().requires_grad_(False), preprocess


def holds_weights(name: str) -> bool:
    """Tell whether a model's name stands for its weights too."""
    return name.startswith(("hf-hub:", "local-dir:"))


def _require_known(name: str, weights: str | None) -> None:
    import open_clip

    if holds_weights(name):
        if weights is not None:
            raise OptionError(f"the model {name!r} holds its own weights, so none can be given")
        return
    if name not in open_clip.list_models():
        raise OptionError(
            f"open_clip knows no model {name!r}; give one of open_clip.list_models(), "
            "local-dir:FOLDER or hf-hub:NAME"
        )
    tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
    if weights is None:
        raise OptionError(
            f"the model {name!r} needs weights: a file, or one of the tags that open_clip "
            f"downloads: {tags}"
        )
    if not (Path(weights).is_file() or open_clip.get_pretrained_cfg(name, weights)):
        raise MissingWeightsError(
            f"the weights {weights!r} are neither a file nor a tag of {name!r}; its tags: {tags}"
        )


def _require_local(name: str, weights: str | None, part: str) -> None:
    """Refuse an architecture with weights from a file if open_clip has this part on the hub."""
    import open_clip

    if weights is None or not Path(weights).is_file():
        return
    remote = open_clip.get_model_config(name)["text_cfg"].get(part)
    if remote:
        raise OptionError(
            f"a part of {name!r} lies on the hub ({remote}) and would be downloaded; "
            "name the whole model as hf-hub:NAME to allow that"
        )


@contextmanager
def _clear_errors(name: str, weights: str | None) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged file can fail in any way
        raise MissingWeightsError(
            f"{name!r} could not be loaded{'' if weights is None else f' from {weights!r}'}; give "
            f"weights of this model, and see that they can be reached: {error}"
        ) from error


@torch.no_grad()
def written_captions(image_text: ImageText, images: Sequence[Any]) -> list[str]:
    """Let a CoCa model (Yu et al., arXiv:2205.01917) write captions, the likeliest word each time.

    Args:
        image_text: A model that `writes`.
        images: n Pillow images of mode RGB.

    Returns:
        n captions without full stop.
    """
    model, tokenizer = image_text.model, image_text.tokenizer
    pixels = image_text.inputs(images)
    latent, tokens_of_image = model._encode_image(pixels)
    end, pad = tokenizer.eot_token_id, model.pad_id
    tokens = torch.full((len(images), 1), tokenizer.sot_token_id, device=image_text.device)
    done = torch.zeros(len(images), dtype=torch.bool, device=image_text.device)
    while tokens.shape[1] < _LONGEST and not done.all():
        logits = model(
            pixels,
            tokens,
            image_latent=latent,
            image_embs=tokens_of_image,
            output_labels=False,
        )["logits"][:, -1]
        if tokens.shape[1] < _SHORTEST:
            logits[:, end] = -torch.inf
        following = logits.argmax(dim=-1)
        if tokens.shape[1] == _LONGEST - 1:
            following = torch.full_like(following, end)
        following = torch.where(done, pad, following)
        tokens = torch.cat([tokens, following[:, None]], dim=1)
        done |= (following == end) | (following == pad)
    return [_text(tokenizer, row, end) for row in tokens.tolist()]


def _text(tokenizer: Any, tokens: list[int], end: int) -> str:
    inner = tokens[1 : tokens.index(end)] if end in tokens else tokens[1:]
    return " ".join(tokenizer.decode(inner).split()).rstrip(" .")


@torch.no_grad()
def fitting_words(
    image_text: ImageText, images: Sequence[Any], word_lists: Sequence[Sequence[str]]
) -> list[list[str]]:
    """Choose from each list the words that fit an image best, zero-shot as CLIP does.

    Source: Radford et al., arXiv:2103.00020.

    Args:
        image_text: Any model.
        images: n Pillow images of mode RGB.
        word_lists: Lists of words or phrases, such as subjects and techniques.

    Returns:
        For each image one entry of each list.
    """
    model = image_text.model
    features = model.encode_image(image_text.inputs(images), normalize=True)
    columns = []
    for words in word_lists:
        tokens = image_text.tokenizer([_PROMPT.format(word) for word in words])
        prompts = model.encode_text(tokens.to(image_text.device), normalize=True)
        columns.append([words[index] for index in (features @ prompts.T).argmax(dim=1).tolist()])
    return [list(row) for row in zip(*columns, strict=True)]
