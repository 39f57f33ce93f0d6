import math

import numpy as np
import pytest
import torch
from open_clip.loss import ClipLoss
from torch.nn import functional

from copyright_gym.art.image_text_choice import Grid, chosen_model
from copyright_gym.art.image_text_pairs import Pairs
from copyright_gym.art.projections import Projections, Settings, retrieval, trained

ONE_STEP = Settings(width=3, temperature=0.2, dropout=0.0, epochs=1)


def pairs(count: int, seed: int, noise: float = 0.3) -> Pairs:
    """Make images and texts that show the same six hidden numbers, in the same two ways."""
    ways = torch.Generator().manual_seed(99)
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(count, 6, generator=generator)
    images = hidden @ torch.randn(6, 40, generator=ways) + 5
    texts = hidden @ torch.randn(6, 20, generator=ways)
    return Pairs(
        images + noise * torch.randn(images.shape, generator=generator),
        functional.normalize(texts, dim=1),
    )


def test_loss_is_the_mean_cross_entropy_of_both_ways() -> None:
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    texts = torch.tensor([[0.8, 0.6], [0.0, 1.0]])
    # Similarities times 2: first row 1.6, 0; second row 1.92, 1.6.
    rows = math.log(1 + math.exp(0 - 1.6)) + math.log(1 + math.exp(1.92 - 1.6))
    columns = math.log(1 + math.exp(1.92 - 1.6)) + math.log(1 + math.exp(0 - 1.6))
    assert float(ClipLoss()(images, texts, 2.0)) == pytest.approx((rows + columns) / 4)


def test_first_step_follows_the_loss_written_out() -> None:
    data = pairs(12, seed=0)
    model = next(trained(data, ONE_STEP, seed=5))

    generator = torch.Generator().manual_seed(5)
    mean, spread = data.images.mean(dim=0), data.images.std(dim=0) + 1e-6
    inputs = ((data.images - mean) / spread, data.texts)
    weights = [
        (torch.empty(x.shape[1], 3).normal_(generator=generator) / math.sqrt(x.shape[1]))
        .requires_grad_()
        for x in inputs
    ]  # fmt: skip
    order = torch.randperm(12, generator=generator)
    image, text = (x[order] @ weight for x, weight in zip(inputs, weights, strict=True))
    cosines = (image @ text.T) / (image.norm(dim=1)[:, None] * text.norm(dim=1))
    odds = torch.exp(cosines / 0.2)
    own = odds.diagonal()
    loss = -((own / odds.sum(dim=1)).log() + (own / odds.sum(dim=0)).log()).mean() / 2
    optimiser = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    for found, expected in zip((model.image, model.text), weights, strict=True):
        torch.testing.assert_close(found, expected.detach())


@pytest.mark.parametrize("coarse", [False, True])
def test_retrieval_is_that_of_counting_by_hand(coarse: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    images, texts = (torch.randn(30, 4, generator=generator) for _ in range(2))
    if coarse:  # many ties
        images, texts = images.round(), texts.round()
    found = retrieval(images, texts)
    cosine = (images @ texts.T).numpy()
    for way, scores in (("image to text", cosine), ("text to image", cosine.T)):
        for first in (1, 5):
            hits = 0
            for i in range(30):
                as_near = sum(scores[i, j] >= scores[i, i] for j in range(30) if j != i)
                hits += as_near < first
            assert found[f"{way} R@{first}"] == pytest.approx(hits / 30)


def test_retrieval_of_one_point_for_all_is_nothing() -> None:
    assert set(retrieval(torch.ones(9, 2), torch.ones(9, 2)).values()) == {0.0}


def test_same_seed_same_bits() -> None:
    settings = Settings(width=8, temperature=0.1, dropout=0.3, epochs=3)

    def last(seed: int) -> Projections:
        return list(trained(pairs(300, seed=0), settings, seed))[-1]

    first, again, other = last(1), last(1), last(2)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.text, again.text)
    assert not torch.equal(first.image, other.image)


def test_the_best_on_validation_pairs_is_kept_and_finds_new_pairs() -> None:
    data = {"training": pairs(400, seed=0), "validation": pairs(50, seed=1)}
    grid = Grid(widths=(2, 8), temperatures=(0.1,), dropouts=(0.0,), epochs=(1, 200))
    model, settings, tried = chosen_model(data, grid)
    ways = [name for name in tried[0] if "R@" in name]
    means = [np.mean([row[name] for name in ways]) for row in tried]
    assert len(tried) == 4
    best = tried[int(np.argmax(means))]
    assert {name: best[name] for name in vars(settings)} == vars(settings)
    assert settings == Settings(8, 0.1, 0.0, 200)
    new = pairs(50, seed=2)
    found = retrieval(model.of_images(new.images), model.of_texts(new.texts))
    assert found["image to text R@1"] > 0.5  # chance: 0.02
    shuffled = retrieval(model.of_images(new.images), model.of_texts(new.texts.roll(1, dims=0)))
    assert shuffled["image to text R@1"] < 0.1
