from typing import Any

import pytest
import torch

from copyright_gym.art.finetune import FinetuneSettings, finetune
from copyright_gym.art.studio import Studio, round_seed


def _train(studio: Studio, **settings: Any) -> dict[str, torch.Tensor]:
    return finetune(
        studio.pipeline,
        studio.base_weights,
        studio.lot_sets[0][0],
        studio.base_set,
        4,
        FinetuneSettings(**({"epochs": 3.0, "batch": 8} | settings)),
        torch.Generator().manual_seed(5),
    )


def test_steps_grow_with_the_new_works() -> None:
    settings = FinetuneSettings(epochs=10, batch=16, base_share=0.25)
    assert [settings.steps(n) for n in (0, 12, 24, 25)] == [0, 10, 20, 21]


def test_same_seed_gives_the_same_weights(studio: Studio) -> None:
    first, second = _train(studio), _train(studio)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], studio.base_weights[name]) for name in first)


def test_training_lowers_the_loss_on_the_lot(studio: Studio) -> None:
    from copyright_gym.art.diffusion import denoising_loss

    lot = studio.lot_sets[0][0]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((8, *lot.latents.shape), generator=generator)
    timesteps = torch.randint(1000, (8, len(lot)), generator=generator)

    def loss(weights: dict[str, torch.Tensor]) -> float:
        studio.pipeline.unet.load_state_dict(weights)
        with torch.no_grad():
            parts = [
                denoising_loss(studio.pipeline, lot.latents, lot.conditions, n, t).mean()
                for n, t in zip(noise, timesteps, strict=True)
            ]
        return float(torch.stack(parts).mean())

    assert loss(_train(studio, epochs=30.0, lr=2e-3)) < 0.9 * loss(studio.base_weights)


def test_lora_moves_attention_projections_only(studio: Studio) -> None:
    weights = _train(studio, method="lora")
    assert weights.keys() == studio.base_weights.keys()
    moved = {n for n, w in weights.items() if not torch.equal(w, studio.base_weights[n])}
    assert moved
    assert all(any(part in name for part in ("to_k", "to_q", "to_v", "to_out")) for name in moved)


def test_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="'full' or 'lora', got 'adapter'"):
        FinetuneSettings(method="adapter")


def test_buying_nothing_changes_nothing(studio: Studio) -> None:
    assert studio.train_round(studio.base_weights, ((),), seed=0) is studio.base_weights


def test_round_seeds_depend_on_history_and_seed_but_not_on_order() -> None:
    assert round_seed(((1, 0),), 2) == round_seed(((0, 1),), 2)
    assert len({round_seed(h, s) for h in (((0,),), ((1,),), ((0,), ())) for s in (0, 1)}) == 6
