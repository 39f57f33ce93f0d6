from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_studio import make_pipeline, make_studio

from copyright_gym.art.adapters import Weights, read_weights
from copyright_gym.art.finetune import FinetuneSettings, RoundTraining, finetune
from copyright_gym.art.studio import Studio, round_seed


def _training(studio: Studio, **settings: Any) -> RoundTraining:
    return RoundTraining(
        studio.pipeline,
        studio.base_weights,
        studio.lot_sets[0][0],
        studio.base_set,
        4,
        FinetuneSettings(**({"epochs": 3.0, "batch": 8} | settings)),
        torch.Generator().manual_seed(5),
    )


def _train(studio: Studio, **settings: Any) -> dict[str, torch.Tensor]:
    return finetune(_training(studio, **settings))


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


@pytest.fixture(scope="module")
def lora_studio() -> Studio:
    return make_studio(method="lora", lr=1e-2)


def test_lora_trains_adapters_that_go_on_learning(lora_studio: Studio) -> None:
    before = {n: p.clone() for n, p in lora_studio.pipeline.unet.named_parameters()}
    base = lora_studio.base_weights
    assert base
    assert all(part in name for name in base for part in ("attn", ".lora_"))
    samples = lora_studio.samples(base)
    first = lora_studio.train_round(base, ((0,),), 1)
    second = lora_studio.train_round(first, ((0,), (1,)), 1)
    assert base.keys() == first.keys() == second.keys()
    for earlier, later in ((base, first), (first, second)):
        assert any(not torch.equal(earlier[name], later[name]) for name in base)
    for name, parameter in lora_studio.pipeline.unet.named_parameters():
        assert torch.equal(parameter, before[name]) or ".lora_" in name
    assert (lora_studio.samples(second) != samples).any()
    assert (lora_studio.samples(base) == samples).all()


def test_adapters_change_nothing_at_first(lora_studio: Studio, studio: Studio) -> None:
    adapted = lora_studio.samples(lora_studio.base_weights)
    assert (adapted == studio.samples(studio.base_weights)).all()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_round_goes_on_from_a_stored_step_with_the_same_bits(
    method: str, studio: Studio, lora_studio: Studio, tmp_path: Path
) -> None:
    owner = studio if method == "full" else lora_studio
    settings = {"method": method, "epochs": 9.0}
    whole = _train(owner, **settings)
    stopped = _training(owner, **settings)
    for _ in range(3):
        stopped.step()
    stopped.save(tmp_path / "step")
    del stopped
    resumed = _training(owner, **settings)
    resumed.generator.manual_seed(99)
    again = finetune(resumed, tmp_path / "step")
    assert resumed.done == resumed.total > 4
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_gradient_checkpointing_computes_the_same(studio: Studio) -> None:
    kept, recomputed = _train(studio), _train(studio, gradient_checkpointing=True)
    for name in kept:
        torch.testing.assert_close(kept[name], recomputed[name], rtol=1e-4, atol=1e-5)
    assert not any(
        getattr(module, "gradient_checkpointing", False)
        for module in studio.pipeline.unet.modules()
    )


@pytest.mark.parametrize(("method", "precision"), [("full", "fp16"), ("lora", "bf16")])
def test_half_precision_stays_close_to_float32(method: str, precision: str, studio: Studio) -> None:
    def trained(precision: str) -> tuple[Weights, Weights]:
        pipeline = make_pipeline(method, precision)
        before = read_weights(pipeline.unet)
        settings = FinetuneSettings(epochs=1.0, batch=4, method=method, precision=precision)
        lot = studio.lot_sets[0][0]
        generator = torch.Generator().manual_seed(5)
        return before, finetune(
            RoundTraining(pipeline, before, lot, studio.base_set, 4, settings, generator)
        )

    before, exact = trained("fp32")
    _, half = trained(precision)
    assert all(weight.dtype == torch.float32 for weight in half.values())
    moved = sum(float((exact[n] - before[n]).square().sum()) for n in exact)
    apart = sum(float((exact[n] - half[n]).square().sum()) for n in exact)
    assert 0 < apart < 0.25 * moved


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="'full' or 'lora', got 'adapter'"):
        FinetuneSettings(method="adapter")
    with pytest.raises(ValueError, match="unknown precision 'int8'; known: bf16, fp16, fp32"):
        FinetuneSettings(precision="int8")


def test_buying_nothing_changes_nothing(studio: Studio) -> None:
    assert studio.train_round(studio.base_weights, ((),), seed=0) is studio.base_weights


def test_round_seeds_depend_on_history_and_seed_but_not_on_order() -> None:
    assert round_seed(((1, 0),), 2) == round_seed(((0, 1),), 2)
    assert len({round_seed(h, s) for h in (((0,),), ((1,),), ((0,), ())) for s in (0, 1)}) == 6
