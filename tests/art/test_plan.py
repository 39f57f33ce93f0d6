"""Memory and time estimates against real steps of a small model and what is known of SDXL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_studio import make_pipeline
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from copyright_gym.art.adapters import read_weights
from copyright_gym.art.corpus import Run
from copyright_gym.art.cuda_stand_ins import cuda_stand_ins
from copyright_gym.art.diffusion import condition
from copyright_gym.art.finetune import FinetuneSettings, RoundTraining, TrainingSet
from copyright_gym.art.lot_scores import GENERATIONS
from copyright_gym.art.memory_meter import MemoryMeter
from copyright_gym.art.plan import BuildSize, Throughput, build_plan, build_size
from copyright_gym.art.rehearsal import Phase, Rehearsal, rehearse
from copyright_gym.art.sampling import Sampling
from copyright_gym.cli import main
from copyright_gym.errors import OptionError

SIZE = 32
SETTINGS = FinetuneSettings(batch=32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_pipeline().save_pretrained(folder)
    return folder


def test_the_meter_counts_storage_while_it_lives() -> None:
    meter = MemoryMeter("cpu")
    with meter:
        first = torch.zeros(1000)
        second = first + 1
        view = second.view(10, 100)
        assert (meter.live, meter.peak) == (8000, 8000)
        del first, second
        assert meter.live == 4000
        del view
        torch.zeros(500)
    assert (meter.live, meter.peak) == (0, 8000)


def test_stand_ins_cast_as_autocast_does_and_go_again() -> None:
    linear, convolution = functional.linear, functional.conv2d
    layer, norm = torch.nn.Linear(8, 8, device="meta"), torch.nn.GroupNorm(2, 8, device="meta")
    x = torch.empty(1, 8, device="meta", dtype=torch.bfloat16)
    with cuda_stand_ins(torch.bfloat16):
        assert layer(x.float()).dtype == torch.bfloat16
        assert norm(x).dtype == torch.float32
    with cuda_stand_ins():
        assert layer(x.float()).dtype == torch.float32
    assert (functional.linear, functional.conv2d) == (linear, convolution)


def _real_peak(training: RoundTraining) -> int:
    """Bytes at the peak of a step above those before it, by the profiler's allocator events."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as measured:
        training.step()
    now = peak = 0
    for event in measured.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


def test_memory_is_that_of_a_real_step(base: Path) -> None:
    pipeline = make_pipeline()
    noise = torch.randn(SETTINGS.batch, 16, 8, 8)
    works = TrainingSet(noise, condition(pipeline, ["a face"] * SETTINGS.batch))
    training = RoundTraining(
        pipeline, read_weights(pipeline.unet), works, works, 64, SETTINGS, torch.Generator()
    )
    training.step()
    real = _real_peak(training)
    rehearsal = rehearse(base, SETTINGS, Sampling(), SIZE)
    kept = rehearsal.weights + rehearsal.optimiser + rehearsal.gradients
    # The gradients of the step before are still there when a step begins.
    assert rehearsal.training.peak - kept == pytest.approx(real, rel=0.05)


def test_less_memory_for_more_computing_by_checkpointing(base: Path) -> None:
    plain = rehearse(base, SETTINGS, Sampling(10, 1.0), SIZE)
    forward = plain.drawing.flops / 10
    # Backward costs twice as much as forward, less what leads to captions and pixels only.
    assert plain.training.flops / (SETTINGS.batch * forward) == pytest.approx(2.95, abs=0.1)
    settings = FinetuneSettings(batch=32, gradient_checkpointing=True)
    guided = rehearse(base, settings, Sampling(5, 3.0), SIZE)
    more = guided.training.flops - plain.training.flops
    assert 0.5 < more / (SETTINGS.batch * forward) < 1  # nearly all of forward once more
    assert guided.training.peak < 0.8 * plain.training.peak
    assert guided.drawing.flops == pytest.approx(10 * forward)


def test_sdxl_needs_what_is_known_of_it() -> None:
    settings = FinetuneSettings(
        method="lora", precision="bf16", batch=1, gradient_checkpointing=True
    )
    sdxl = rehearse("stabilityai/stable-diffusion-xl-base-1.0", settings, Sampling(), 1024)
    # Rank times inputs plus outputs of 4 projections, to the image and to 2,048 text features:
    narrow = 4 * (640 + 640) + 2 * (640 + 640) + 2 * (2048 + 640)
    wide = 4 * (1280 + 1280) + 2 * (1280 + 1280) + 2 * (2048 + 1280)
    assert sdxl.parameters["trained"] == 8 * (10 * narrow + 60 * wide)
    halves = 2_567_463_684 + 123_060_480 + 694_659_840
    full = 83_653_863 + sdxl.parameters["trained"]
    assert sdxl.weights == pytest.approx(2 * halves + 4 * full, rel=1e-5)
    # 3.0 T multiply-adds a forward pass, without attention products; three of them and a bit.
    assert 18e12 < sdxl.training.flops < 26e12
    # With checkpointing, activations of one work at 1,024 px are some hundred megabytes.
    assert sdxl.weights + 3e8 < sdxl.training.peak < sdxl.weights + 3e9


def test_a_build_is_counted_by_hand() -> None:
    settings = FinetuneSettings(epochs=2.0, batch=4, base_share=0.0)
    runs = [Run(((0, 1), (), (1,)), 0), Run(((),), 1)]
    size = build_size(runs, settings, holders=2, rounds=3, lot=6, held_out=5)
    assert size.steps == 2 * 3 * 3 + (6 + 3)
    assert size.drawn == 10 * (2 + 1) + 2 * 3 * 6 * GENERATIONS
    assert size.encoded == 2 * (3 * 6 + 5)


def test_hours_follow_throughput_and_workers() -> None:
    phase = Phase(2_000_000_000, 3.6e15)
    needs = Rehearsal({}, 10, 20, 30, phase, phase, phase, phase)
    size = BuildSize(steps=2, drawn=5, encoded=3)
    half = FinetuneSettings(precision="bf16")
    plan = build_plan(needs, size, half, Throughput(full=1.0, half=10.0), workers=2)
    # 2 steps and 5 works drawn at 10 TFLOP/s, 5 decoded and 3 encoded in fp32 at 1.
    expected = {"training": 0.2, "drawing": 0.5, "decoding": 5.0, "encoding": 3.0}
    assert plan["gpu_hours"] == pytest.approx({**expected, "all": 5.7 + 2 * 3.0})
    assert plan["hours"] == pytest.approx(5.7 / 2 + 3.0)
    assert plan["memory_gb"]["needed"] == pytest.approx(2 * 1.1 + 0.8)


def test_the_command_prints_a_plan(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["packs", "plan", "portrait", "--base", str(base), "--histories", "3"]
    assert main([*command, "--json", "--tflops", "5"]) == 0
    plan: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert plan["image_size"] == SIZE
    assert plan["finetune"]["epochs"] == 10
    assert plan["sustained_tflops"] == {"full": 5, "half": 5}
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert f"UNet {plan['parameters']['unet']:,}" in printed
    assert "no GPU was used" in printed
    assert main([*command, "--device", "abacus"]) == 1
    assert "unknown device 'abacus'" in capsys.readouterr().err
    assert main([*command, "--workers", "0"]) == 1
    assert "--workers must be above 0" in capsys.readouterr().err
    with pytest.raises(OptionError, match="known: a100"):
        Throughput.of("abacus")
