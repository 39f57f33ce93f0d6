"""What a build will take: GPU memory and hours, estimated without a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from copyright_gym.art.corpus import Run
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.lot_scores import GENERATIONS
from copyright_gym.art.rehearsal import Rehearsal
from copyright_gym.errors import OptionError, listed

# Memory in GB; dense peak TFLOP/s in fp32 and in fp16 or bf16. Source: the makers' data sheets.
DEVICES: Final = {
    "a100-80gb": (80, 19.5, 312.0),
    "h100-sxm": (80, 67.0, 989.0),
    "l40s": (48, 91.6, 362.0),
    "rtx-3090": (24, 35.6, 71.0),
    "rtx-4090": (24, 82.6, 165.2),
    "t4": (16, 8.1, 65.0),
}
SUSTAINED: Final = 0.4  # share of the peak that convolutions and attention reach
_CONTEXT_GB: Final = 0.8  # CUDA's context and the libraries' workspaces
_FRAGMENTS: Final = 0.1  # share that the allocator can't use


@dataclass(frozen=True)
class Throughput:
    """TFLOP/s that a device sustains.

    Attributes:
        full: In fp32.
        half: In fp16 or bf16.
    """

    full: float
    half: float

    @staticmethod
    def of(device: str) -> Throughput:
        """Return that of a device in `DEVICES`.

        Raises:
            OptionError: The device is not known.
        """
        if device not in DEVICES:
            raise OptionError(
                f"unknown device {device!r}; known: {listed(DEVICES)}; for another give --tflops"
            )
        _, full, half = DEVICES[device]
        return Throughput(SUSTAINED * full, SUSTAINED * half)


@dataclass(frozen=True)
class BuildSize:
    """How much a build computes.

    Attributes:
        steps: Optimiser steps.
        drawn: Works drawn and decoded.
        encoded: Works encoded, by each worker.
    """

    steps: int
    drawn: int
    encoded: int


def build_size(
    runs: Sequence[Run],
    settings: FinetuneSettings,
    *,
    holders: int,
    rounds: int,
    lot: int,
    held_out: int,
) -> BuildSize:
    """Count what the histories and the lots' copyright losses take.

    Args:
        runs: The histories that are played.
        settings: How a round trains.
        holders: Number of holders H.
        rounds: Number of rounds T.
        lot: Works a lot.
        held_out: Works a holder that are never sold.
    """
    steps = holders * rounds * settings.steps(lot)
    drawn = GENERATIONS * holders * rounds * lot
    for run in runs:
        steps += sum(settings.steps(lot * len(members)) for members in run.history if members)
        # A round that buys nothing changes nothing; only a first one is measured.
        drawn += held_out * holders * sum(t == 0 or bool(m) for t, m in enumerate(run.history))
    return BuildSize(steps, drawn, holders * (rounds * lot + held_out))


def build_plan(
    rehearsal: Rehearsal,
    size: BuildSize,
    settings: FinetuneSettings,
    throughput: Throughput,
    workers: int,
) -> dict[str, Any]:
    """Return the plan as JSON-safe values.

    Args:
        rehearsal: What the steps need.
        size: How many there are.
        settings: How a round trains.
        throughput: What a GPU sustains.
        workers: Number of GPUs, one worker each.
    """
    half = settings.precision != "fp32"
    unet = throughput.half if half else throughput.full
    vae = throughput.half if half and settings.vae is not None else throughput.full
    seconds = {
        "training": size.steps * rehearsal.training.flops / unet / 1e12,
        "drawing": size.drawn * rehearsal.drawing.flops / unet / 1e12,
        "decoding": size.drawn * rehearsal.decoding.flops / vae / 1e12,
        "encoding": size.encoded * rehearsal.encoding.flops / vae / 1e12,
    }
    hours = {name: value / 3600 for name, value in seconds.items()}
    shared = hours["training"] + hours["drawing"] + hours["decoding"]
    kept = rehearsal.weights + rehearsal.gradients + rehearsal.optimiser
    phases = {
        name: getattr(rehearsal, name).peak
        for name in ("training", "drawing", "decoding", "encoding")
    }
    needed = max(phases.values()) / 1e9 * (1 + _FRAGMENTS) + _CONTEXT_GB
    return {
        "parameters": rehearsal.parameters,
        "memory_gb": {
            "weights": rehearsal.weights / 1e9,
            "gradients": rehearsal.gradients / 1e9,
            "optimiser_and_average": rehearsal.optimiser / 1e9,
            "activations": (rehearsal.training.peak - kept) / 1e9,
            **{f"peak_{name}": peak / 1e9 for name, peak in phases.items()},
            "needed": needed,
        },
        "memory_fits": [name for name, (memory, *_) in DEVICES.items() if memory >= needed],
        "size": asdict(size),
        "tflop": {name: getattr(rehearsal, name).flops / 1e12 for name in phases},
        "gpu_hours": {**hours, "all": shared + workers * hours["encoding"]},
        "hours": shared / workers + hours["encoding"],
        "workers": workers,
        "sustained_tflops": asdict(throughput),
    }


ASSUMPTIONS: Final = (
    "no GPU was used: each kind of step of the build ran on PyTorch's meta device, batch as given",
    f"memory is what tensors hold at the peak, plus {_FRAGMENTS:.0%} for fragmentation and "
    f"{_CONTEXT_GB} GB for CUDA; attention is fused, dtypes are autocast's on CUDA",
    f"a device sustains {SUSTAINED:.0%} of its dense peak, unless --tflops says what it does",
    "all workers are busy to the end; time to load, to store and to extract features is left out",
    "the attribution of works (contributions) is in neither figure",
)


def plan_text(plan: dict[str, Any]) -> str:
    """Return a plan for humans."""
    memory, hours, size = plan["memory_gb"], plan["gpu_hours"], plan["size"]
    unet, trained = (plan["parameters"][name] for name in ("unet", "trained"))
    lines = [
        f"parameters  UNet {unet:,}, trained {trained:,}",
        f"GPU memory  {memory['needed']:.1f} GB; as much have {listed(plan['memory_fits'])}",
        *(f"  {name.replace('_', ' '):22} {value:8.2f} GB" for name, value in memory.items()),
        f"build       {size['steps']:,} optimiser steps, {size['drawn']:,} works drawn",
        f"GPU hours   {hours['all']:.1f}: " + ", ".join(
            f"{name} {value:.1f}" for name, value in hours.items() if name != "all"
        ),
        f"wall clock  {plan['hours']:.1f} hours on {plan['workers']} GPUs",
        "Assumed:",
        *(f"- {assumption}" for assumption in plan["assumptions"]),
    ]  # fmt: skip
    return "\n".join(lines)
