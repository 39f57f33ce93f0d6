import json
import warnings
from pathlib import Path

import lpips
import numpy as np
import open_clip
import pytest
import torch
import torchvision
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


def test_squared_distances_of_the_lpips_embedding_are_lpips() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).requires_grad_(False)
    first, second = to_tensor(MICAH[:3]), to_tensor(OTHERS[:3])
    embedding = lpips_embedding(network)
    distances = (embedding(first) - embedding(second)).square().sum(dim=1)
    enlarged = [functional.interpolate(x, size=64, mode="bilinear") for x in (first, second)]
    torch.testing.assert_close(distances, network(*enlarged).flatten())


def test_stage_distance_is_lpips_arithmetic() -> None:
    first, second = to_tensor(MICAH[:3]), to_tensor(OTHERS[:3])
    stages = EfficientNetStages()
    expected = torch.zeros(3)
    for x, y in zip(stages(first), stages(second), strict=True):
        difference = (lpips.normalize_tensor(x) - lpips.normalize_tensor(y)) ** 2
        expected += lpips.spatial_average(difference.sum(dim=1, keepdim=True)).flatten()
    torch.testing.assert_close(stages.distance(first, second), expected)


def test_any_open_clip_model_takes_the_semantic_part(tmp_path: Path) -> None:
    config = {
        "embed_dim": 8,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1},
    }
    (tmp_path / "tiny-for-tests.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-for-tests.json")
    model = open_clip.create_model("tiny-for-tests")
    weights = tmp_path / "weights.pt"
    torch.save(model.state_dict(), weights)
    pixels = to_tensor(MICAH[:2])
    mean, std = (
        torch.tensor(x).view(1, 3, 1, 1) for x in (model.visual.image_mean, model.visual.image_std)
    )
    with torch.no_grad():
        expected = model.eval().encode_image(((pixels + 1) / 2 - mean) / std, normalize=True)
    found, _ = both_embeddings(f"open_clip:tiny-for-tests:{weights}", "efficientnet-lite0")(pixels)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(OptionError, match="neither a file nor a tag"):
        semantic_embedding("open_clip:tiny-for-tests:missing.pt")


@pytest.mark.parametrize("name", ["clip", "open_clip:ViT-B-32", "open_clip:no-such-model:x"])
def test_unknown_semantic_parts_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match=r"efficientnet-lite0|no architecture"):
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
