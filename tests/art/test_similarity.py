import json
import warnings
from pathlib import Path
from typing import Any

import lpips
import numpy as np
import open_clip
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from copyright_gym.art.alignment import aligned_variants
from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.dicebear_works import draw_works
from copyright_gym.art.embeddings import (
    both_embeddings,
    lpips_embedding,
    perceptual_embedding,
    semantic_embedding,
)
from copyright_gym.art.features import EfficientNetStages
from copyright_gym.art.near_duplicates import same_picture
from copyright_gym.art.published_weights import WEIGHTS
from copyright_gym.art.similarity import Similarity
from copyright_gym.errors import MissingWeightsError, OptionError

MICAH = draw_works("micah", 24).images
OTHERS = np.concatenate([draw_works(style, 6).images for style in ("croodles", "big-smile")])


@pytest.fixture(scope="module")
def similarity() -> Similarity:
    return Similarity(MICAH[:8], OTHERS)


def test_identity_is_one_and_unrelated_works_are_near_zero(similarity: Similarity) -> None:
    works = MICAH[8:16]
    same = similarity(works, works[None])
    other_hand = similarity(works, np.stack([OTHERS[:8], OTHERS[4:]]))
    same_hand = similarity(works, MICAH[None, 16:24])
    for copies, strangers, siblings in zip(same, other_hand, same_hand, strict=True):
        assert copies == pytest.approx(np.ones((1, 8)), abs=1e-3)
        assert strangers.shape == (2, 8)
        assert strangers.mean() < 0.1
        assert siblings.mean() < 0.1


def test_similarity_falls_with_blending_towards_another_work(similarity: Similarity) -> None:
    works, others = MICAH[8:16], OTHERS[:8]
    blends = np.stack([(1 - w) * works + w * others for w in (0.1, 0.5, 0.9)]).astype(np.uint8)
    for part in similarity(works, blends):
        means = part.mean(axis=1)
        assert means[0] > means[1] > means[2]


def test_mirrored_and_cut_out_copies_are_found(similarity: Similarity) -> None:
    works = MICAH[8:16]
    cut_out = functional.interpolate(to_tensor(works)[:, :, 4:], size=(32, 32), mode="bilinear")
    pixels = ((cut_out + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    for mirrored, cut in similarity(works, np.stack([works[:, :, ::-1], pixels])):
        assert mirrored == pytest.approx(np.ones(8), abs=1e-3)
        assert cut.mean() > 0.2


def _slow_distance(work: Tensor, generated: Tensor) -> tuple[float, float]:
    def layout(x: Tensor) -> Tensor:
        centred = x - x.mean(dim=(2, 3), keepdim=True)
        return centred / centred.norm()

    def distances(one: Tensor, two: Tensor) -> tuple[float, float]:
        stages = EfficientNetStages()(one), EfficientNetStages()(two)
        pairs = [(stages[0][2], stages[1][2])]
        fine = (stages[0][0], stages[1][0]), (one, two)
        pairs += [
            (functional.adaptive_avg_pool2d(x, 16), functional.adaptive_avg_pool2d(y, 16))
            for x, y in fine
        ]
        middle, first, pixels = (
            float((layout(x) - layout(y)).square().sum().double()) for x, y in pairs
        )
        return middle, (first + pixels) / 2

    found = [distances(variant, generated) for variant in aligned_variants(work)]
    return min(x[0] for x in found), min(x[1] for x in found)


def test_score_is_one_minus_the_ratio_to_the_nearest_look_alike() -> None:
    look_alikes, unrelated, work, generated = MICAH[:3], OTHERS[4:6], MICAH[8:9], MICAH[9:10]
    generated = ((work.astype(int) + generated) // 2).astype(np.uint8)
    # The work itself among the look-alikes is no other work.
    similarity = Similarity(np.concatenate([look_alikes, work]), unrelated)
    measured = similarity(work, generated[None])

    def slow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.array(
            [
                [_slow_distance(to_tensor(x[None]), to_tensor(y[None])) for y in second]
                for x in first
            ]
        )

    references = np.concatenate([look_alikes, work])
    to_unrelated = slow(references, unrelated)
    to_generated = slow(references, generated)[:, 0]
    for part in range(2):
        ratios = [
            to_unrelated[i, j, part] / np.delete(to_unrelated[:, j, part], i).min()
            for i in range(4)
            for j in range(2)
        ]
        assert similarity.unrelated_ratios[part] == pytest.approx(np.mean(ratios), rel=1e-4)
        ratio = to_generated[3, part] / to_generated[:3, part].min()
        expected = max(0.0, 1 - ratio / np.mean(ratios))
        assert expected > 0
        assert measured[part].item() == pytest.approx(expected, abs=1e-4)


def test_pictures_that_differ_by_little_are_the_same() -> None:
    works = MICAH[:3]
    noisy = np.clip(works.astype(int) + 3, 0, 255).astype(np.uint8)
    assert np.array_equal(same_picture(works, noisy), np.eye(3, dtype=bool))
    assert same_picture(works[:0], noisy).shape == (0, 3)


def test_one_look_alike_is_too_few() -> None:
    with pytest.raises(OptionError, match="two or more other works"):
        Similarity(MICAH[:1], OTHERS)


def test_lpips_takes_the_place_of_the_stages_when_its_backbone_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MissingWeightsError, match="squeezenet1_1"):
        Similarity(MICAH[:3], OTHERS[:2], perceptual="lpips-squeeze")
    # The published weights can't be shipped: random ones take their place and the same road.
    (tmp_path / "checkpoints").mkdir()
    weights = torchvision.models.squeezenet1_1(weights=None).state_dict()
    torch.save(weights, tmp_path / "checkpoints" / WEIGHTS["SqueezeNet"])
    similarity = Similarity(MICAH[:3], OTHERS[:2], perceptual="lpips-squeeze")
    _, perceptual = similarity(MICAH[8:10], MICAH[None, 8:10])
    assert perceptual == pytest.approx(np.ones((1, 2)), abs=1e-3)


@pytest.mark.parametrize("backbone", ["alex", "vgg", "squeeze"])
def test_squared_distances_of_the_lpips_embedding_are_lpips(backbone: str) -> None:
    torch.manual_seed(6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False).requires_grad_(False)
    first, second = to_tensor(MICAH[:3]), to_tensor(OTHERS[:3])
    embedding = lpips_embedding(network)
    distances = (embedding(first) - embedding(second)).square().sum(dim=1)
    enlarged = [functional.interpolate(x, size=64, mode="bilinear") for x in (first, second)]
    expected = network(*enlarged).flatten()
    assert (expected > 0).all()
    torch.testing.assert_close(distances, expected)


def test_stage_distance_is_lpips_arithmetic() -> None:
    first, second = to_tensor(MICAH[:3]), to_tensor(OTHERS[:3])
    stages = EfficientNetStages()
    expected = torch.zeros(3)
    for x, y in zip(stages(first), stages(second), strict=True):
        difference = (lpips.normalize_tensor(x) - lpips.normalize_tensor(y)) ** 2
        expected += lpips.spatial_average(difference.sum(dim=1, keepdim=True)).flatten()
    torch.testing.assert_close(stages.distance(first, second), expected)


@pytest.fixture(scope="module")
def open_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights as open_clip keeps one, known as `tiny-for-tests` too."""
    folder = tmp_path_factory.mktemp("tiny")
    config = {
        "embed_dim": 8,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1},
    }
    for name, text in (
        ("tiny-for-tests", {}),
        ("tiny-remote", {"hf_model_name": "someone/text"}),
        ("tiny-remote-tokenizer", {"hf_tokenizer_name": "someone/text"}),
    ):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(config | {"text_cfg": config["text_cfg"] | text}))
        open_clip.add_model_config(path)
    model = open_clip.create_model("tiny-for-tests")
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    )
    return folder


def _image_features(folder: Path, architecture: str, mean: Any, std: Any) -> Tensor:
    weights = str(folder / "open_clip_model.safetensors")
    model = open_clip.create_model(architecture, pretrained=weights).eval()
    pixels = (to_tensor(MICAH[:2]) + 1) / 2
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (mean, std))
    with torch.no_grad():
        features: Tensor = model.encode_image((pixels - mean) / std, normalize=True)
    return features


@pytest.mark.parametrize("architecture", ["tiny-for-tests", "tiny-remote-tokenizer"])
def test_any_open_clip_model_takes_the_semantic_part(
    open_clip_folder: Path, architecture: str
) -> None:
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    expected = _image_features(open_clip_folder, architecture, mean, std)
    name = f"open_clip:{architecture}:{open_clip_folder / 'open_clip_model.safetensors'}"
    found, _ = both_embeddings(name, "efficientnet-lite0")(to_tensor(MICAH[:2]))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["local-dir", "hf-hub"])
def test_models_that_hold_their_weights_take_the_semantic_part(
    open_clip_folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stands for the hub, which is not at hand.
    config = json.loads((open_clip_folder / "open_clip_config.json").read_text())
    weights = str(open_clip_folder / "open_clip_model.safetensors")
    monkeypatch.setattr(open_clip.factory, "_get_hf_config", lambda *_, **__: config)
    monkeypatch.setattr(open_clip.factory, "download_pretrained_from_hf", lambda *_, **__: weights)
    name = str(open_clip_folder) if kind == "local-dir" else "someone/tiny"
    expected = _image_features(
        open_clip_folder, "tiny-for-tests", *config["preprocess_cfg"].values()
    )
    found = semantic_embedding(f"open_clip:{kind}:{name}")(to_tensor(MICAH[:2]))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_open_clip_weights_that_do_not_fit_or_cannot_be_reached_are_told(
    open_clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingWeightsError, match="neither a file nor a tag"):
        semantic_embedding("open_clip:tiny-for-tests:missing.pt")
    weights = open_clip_folder / "open_clip_model.safetensors"
    with pytest.raises(MissingWeightsError, match=r"'ViT-B-32' could not be loaded from .*width"):
        semantic_embedding(f"open_clip:ViT-B-32:{weights}")
    for name in ("empty.pt", "torn.safetensors", "torn.pt"):
        (tmp_path / name).write_bytes(b"torn" * (name[0] == "t"))
        with pytest.raises(MissingWeightsError, match=f"could not be loaded from '.*{name}"):
            semantic_embedding(f"open_clip:tiny-for-tests:{tmp_path / name}")
    with pytest.raises(MissingWeightsError, match=r"could not be loaded.*not found"):
        semantic_embedding(f"open_clip:local-dir:{tmp_path / 'gone'}")

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(open_clip.factory, "_get_hf_config", unreachable)
    with pytest.raises(MissingWeightsError, match=r"'hf-hub:a/b' could not be loaded.*no network"):
        semantic_embedding("open_clip:hf-hub:a/b")
    monkeypatch.setattr(open_clip.factory, "download_pretrained", unreachable)
    with pytest.raises(MissingWeightsError, match=r"from 'openai'.*no network"):
        semantic_embedding("open_clip:ViT-B-32:openai")
    with pytest.raises(OptionError, match=r"on the hub \(someone/text\) and would be downloaded"):
        semantic_embedding(f"open_clip:tiny-remote:{weights}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clip", "known: efficientnet-lite0, open_clip:ARCHITECTURE:WEIGHTS, open_clip:local-dir"),
        ("open_clip", "knows no model ''"),
        ("open_clip:ViT-B-32", "'ViT-B-32' needs weights: a file, or one of the tags"),
        ("open_clip:no-such-model:x", "knows no model 'no-such-model'"),
    ],
)
def test_unknown_semantic_parts_are_refused(name: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        semantic_embedding(name)


def test_one_pass_gives_both_default_embeddings() -> None:
    pixels = to_tensor(MICAH[:2])
    name = "efficientnet-lite0"
    both = both_embeddings(name, name)(pixels)
    for embedding, found in zip(
        (semantic_embedding(name), perceptual_embedding(name)), both, strict=True
    ):
        torch.testing.assert_close(found, embedding(pixels), rtol=0, atol=0)


def test_unknown_perceptual_part_lists_the_known() -> None:
    with pytest.raises(OptionError, match="known: efficientnet-lite0, lpips-alex"):
        Similarity(MICAH[:2], OTHERS, perceptual="lpips-resnet")
