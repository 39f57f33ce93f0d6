"""Steps a second of the environments, next to Gymnasium's CartPole in the same run.

A machine that is busy with other things slows both, so only ratios mean something. Cases are
measured in turn, repeat after repeat, in seconds of this process on one core; a figure is the
median of the repeats, and a ratio that of the repeats' ratios.
"""

from __future__ import annotations

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium as gym
from gymnasium.utils.seeding import np_random

from copyright_gym import compiled

HOLDER = "copyright_gym/HolderAllocation-v0"
ROUND = "copyright_gym/RoundBudget-v0"
CARTPOLE = "CartPole-v1"

WIDTHS = (1, 64, 1024, 4096)

REQUIRED = {"single": 3.0, "n=1": 2.0, "n=64": 2.0, "n=1024": 1.3, "n=4096": 1.0}
"""Ratios that the holder environment should reach, by case."""

WIDEST = 4096
REQUIRED_SECONDS, REQUIRED_BYTES = 0.2, 2048
"""Limits of making so wide a holder environment: seconds, and bytes a market."""

# Actions per measurement: at least eight episodes of 41 calls, for which markets draw together.
_SINGLE_STEPS = 4_000
_VECTOR_STEPS = 100_000
_LEAST_CALLS, _MOST_CALLS = 328, 2_000

Run = Callable[[], float]


@dataclass(frozen=True)
class Case:
    """One line of the result.

    Attributes:
        env: the environment's id.
        case: "single" for `gym.make`, or "n=..." for the native vector environment.
        steps_per_second: median, counting the steps of all markets.
        offers_per_second: the same in holder offers.
        cartpole: CartPole's median steps a second.
        ratio: median of steps a second / CartPole's.
        required: the ratio to reach, if there is one.
    """

    env: str
    case: str
    steps_per_second: float
    offers_per_second: float
    cartpole: float
    ratio: float
    required: float | None


@dataclass(frozen=True)
class Footprint:
    """What a wide native vector environment of holders takes, the pack's tables being loaded.

    Attributes:
        markets: its width.
        seconds: time to make it, median of the repeats.
        required_seconds: the time to stay below.
        bytes_per_market: memory after a reset, shared tables and generators left out.
        required_bytes: the memory to stay below.
        generator_bytes_per_market: memory of the markets' random generators.
    """

    markets: int
    seconds: float
    required_seconds: float
    bytes_per_market: float
    required_bytes: float
    generator_bytes_per_market: float


def measure_footprint(pack: str, repeats: int = 5, seed: int = 0) -> Footprint:
    """Measure how long a wide vector environment takes to make, and how much memory.

    Args:
        pack: name or folder of the pack.
        repeats: number of repeats, at least 1.
        seed: seed of the environment.

    Returns:
        The footprint.
    """
    gym.make_vec(HOLDER, 2, pack=pack)
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        env = gym.make_vec(HOLDER, WIDEST, pack=pack)
        seconds.append(time.process_time() - start)
        env.close()
    tracemalloc.start()
    env = gym.make_vec(HOLDER, WIDEST, pack=pack)
    env.reset(seed=seed)
    whole, _ = tracemalloc.get_traced_memory()
    generators = [np_random(seed + row)[0] for row in range(WIDEST)]
    more, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    drawing = (more - whole) / len(generators)
    return Footprint(
        markets=WIDEST,
        seconds=statistics.median(seconds),
        required_seconds=REQUIRED_SECONDS,
        bytes_per_market=whole / WIDEST - drawing,
        required_bytes=REQUIRED_BYTES,
        generator_bytes_per_market=drawing,
    )


def measure_speed(pack: str, repeats: int = 5, seed: int = 0) -> list[Case]:
    """Measure all cases.

    Args:
        pack: name or folder of the pack.
        repeats: number of repeats, at least 1.
        seed: seed of environments and actions.

    Returns:
        The cases of the holder, then those of the round environment.
    """
    cases = []
    for env_id in (HOLDER, ROUND):
        for width in (None, *WIDTHS):
            ours, offers = _prepare(env_id, width, seed, pack)
            theirs, _ = _prepare(CARTPOLE, width, seed, None)
            pairs = [(ours(), theirs()) for _ in range(repeats)]
            name = "single" if width is None else f"n={width}"
            speed = statistics.median(pair[0] for pair in pairs)
            case = Case(
                env=env_id,
                case=name,
                steps_per_second=speed,
                offers_per_second=speed * offers,
                cartpole=statistics.median(pair[1] for pair in pairs),
                ratio=statistics.median(first / second for first, second in pairs),
                required=REQUIRED[name] if env_id == HOLDER else None,
            )
            cases.append(case)
    return cases


def speed_report(pack: str, repeats: int = 5, seed: int = 0, as_json: bool = False) -> str:
    """Measure all cases and the footprint, and write them down.

    Args:
        pack: name or folder of the pack.
        repeats: number of repeats, at least 1.
        seed: seed of environments and actions.
        as_json: whether to write JSON in place of a table.

    Returns:
        The text.
    """
    footprint = measure_footprint(pack, repeats, seed)
    cases = measure_speed(pack, repeats, seed)
    if as_json:
        result = {
            "compiled": compiled.kernel is not None,
            "cases": [asdict(case) for case in cases],
            "footprint": asdict(footprint),
        }
        return json.dumps(result, indent=2)
    head = (
        f"{'environment':<34}{'case':>8}{'steps/s':>12}{'offers/s':>12}{'ratio':>8}{'required':>10}"
    )
    lines = [head]
    for case in cases:
        required = "" if case.required is None else f"{case.required:.1f}"
        lines.append(
            f"{case.env:<34}{case.case:>8}{case.steps_per_second:>12,.0f}"
            f"{case.offers_per_second:>12,.0f}{case.ratio:>8.2f}{required:>10}"
        )
    lines += [
        f"{footprint.markets:,} markets side by side are made in {footprint.seconds:.3f} s "
        f"(required: below {footprint.required_seconds} s)",
        f"and take {footprint.bytes_per_market:,.0f} bytes each "
        f"(required: below {footprint.required_bytes:,}), with "
        f"{footprint.generator_bytes_per_market:,.0f} more for the random generator of each",
        f"compiled kernel: {'yes' if compiled.kernel else 'no'}",
    ]
    return "\n".join(lines)


def _prepare(env_id: str, width: int | None, seed: int, pack: str | None) -> tuple[Run, int]:
    """Return what measures steps a second once, and the number of offers in a step."""
    options: dict[str, Any] = {} if pack is None else {"pack": pack}
    if width is None:
        env = gym.make(env_id, **options)
        offers = env.unwrapped.market.tables.holders if env_id == ROUND else 1  # type: ignore[attr-defined]
        return _single(env, seed), offers
    vector_env = gym.make_vec(env_id, width, **options)
    offers = vector_env.unwrapped.market.tables.holders if env_id == ROUND else 1  # type: ignore[attr-defined]
    calls = max(_LEAST_CALLS, min(_MOST_CALLS, _VECTOR_STEPS // width))
    return _vector(vector_env, seed, calls), offers


def _single(env: gym.Env[object, object], seed: int) -> Run:
    env.action_space.seed(seed)
    actions = [env.action_space.sample() for _ in range(_SINGLE_STEPS)]
    env.reset(seed=seed)

    def run() -> float:
        start = time.process_time()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions) / (time.process_time() - start)

    return run


def _vector(env: gym.vector.VectorEnv[object, object, object], seed: int, calls: int) -> Run:
    env.action_space.seed(seed)
    actions = [env.action_space.sample() for _ in range(min(calls, _LEAST_CALLS))]
    env.reset(seed=seed)

    def run() -> float:
        start = time.process_time()
        for call in range(calls):
            env.step(actions[call % len(actions)])
        return calls * env.num_envs / (time.process_time() - start)

    return run
