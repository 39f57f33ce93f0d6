"""Names of contestants: what a name on the command line stands for.

- ROUND+HOLDER: a pair of policies, by registered names or policy files; NAME=ROUND+HOLDER gives
  it a name in the results;
- a name of the joint level, for example oracle or gradient;
- hierarchical, an ablation of it, cma-es, ppo, sac, dqn, or a baseline with a learned half:
  trained first, once per training seed;
- a word for a group of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from copyright_gym.agents.baselines import (
    BASELINES,
    LEARNED,
    RANDOM_BASELINES,
    TRAINED_BASELINES,
    TRAINED_RANDOM,
    pair_halves,
    split_name,
)
from copyright_gym.agents.flat import FLAT
from copyright_gym.agents.q_policy import load_q_policy
from copyright_gym.agents.training import ABLATIONS, METHOD, METHOD_HOLDER
from copyright_gym.errors import PolicyError, listed
from copyright_gym.policies import Level, policy_names

POLICY_FILE = ".safetensors"

ORACLE = "oracle"
EVOLVED = "cma-es"
RIVALS = (
    "all+model-adaptive",
    "all+thompson",
    "all+dual-pacing",
    "all+knapsack",
    "gradient",
    "all+adaptive",
    "all+singer",
    "all+shapley",
    "all+leave-one-out",
    "all+trak",
    "all+copyright",
)
TRAINED_RIVALS = (EVOLVED, *FLAT)
_TRAINED = (
    METHOD,
    *ABLATIONS,
    *METHOD_HOLDER,
    *TRAINED_RIVALS,
    *TRAINED_BASELINES,
    *TRAINED_RANDOM,
)
GROUPS = {
    "trained-rivals": TRAINED_RIVALS,
    "baselines": BASELINES,
    "random-baselines": RANDOM_BASELINES,
    "rivals": RIVALS,
    "ablations": (*ABLATIONS, *METHOD_HOLDER),
}
"""Words that stand for several contestants."""


def expand(names: Sequence[str]) -> list[str]:
    """Replace the words of groups by their members, and check all names and policy files.

    Args:
        names: contestants and groups.

    Returns:
        Contestants, each once.

    Raises:
        PolicyError: a name is unknown, or a policy file is missing, damaged or of another level; a
            NAME is that of another contestant.
    """
    words = [name for word in names for name in GROUPS.get(word, (word,))]
    found = list(dict.fromkeys(words))
    for name in found:
        if not _is_single(name):
            _check_pair(name)
    for name in found:
        others = [other for other in found if other != name and label(other) == label(name)]
        if label(name) != name and (others or _is_single(label(name)) or label(name) in GROUPS):
            raise PolicyError(
                f"the name of {name!r} is that of {listed(others or ['another contestant'])}; "
                "write another NAME before the ="
            )
    return found


def _is_single(name: str) -> bool:
    """Return whether a contestant is named by one word."""
    return is_trained(name) or name in policy_names("joint")


def _check_pair(name: str) -> None:
    halves = pair_halves(name)
    if halves == [LEARNED, LEARNED]:
        raise PolicyError(f"{LEARNED}+{LEARNED} is the hierarchical DQN; write {METHOD}")
    if not halves:
        singles = [*_TRAINED, *policy_names("joint")]
        raise PolicyError(
            f"unknown contestant {name!r}{_meant(name, [*singles, *GROUPS])}; write ROUND+HOLDER, "
            f"a group ({listed(GROUPS)}) or one of {listed(singles)}"
        )
    for half, level in at_levels(halves):
        if half.endswith(POLICY_FILE):
            load_q_policy(half, level)
        elif half not in (known := policy_names(level)):
            if half in policy_names("joint"):
                raise PolicyError(f"{name!r}: {half!r} decides at both levels; write {half} alone")
            raise PolicyError(
                f"{name!r}: unknown {level} policy {half!r}{_meant(half, known)}; known: "
                f"{listed(known)}, or a policy file (*{POLICY_FILE})"
            )


def _meant(name: str, known: Iterable[str]) -> str:
    """Ask for the most similar known name, if there is one."""
    return "".join(f" (did you mean {near!r}?)" for near in get_close_matches(name, known, 1))


def label(name: str) -> str:
    """Return a contestant's name in the results."""
    return split_name(name)[0] or name


def is_trained(name: str) -> bool:
    """Return whether a contestant must be trained first."""
    return name in _TRAINED


def at_levels(halves: Sequence[str]) -> list[tuple[str, Level]]:
    """Pair the halves of a contestant with their levels."""
    levels: tuple[Level, Level] = ("round", "holder")
    return list(zip(halves, levels, strict=True))
