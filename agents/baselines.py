"""The eight baselines: pairs of a round policy and a holder policy.

{uniform, greedy, learned} at both levels, without learned + learned, which is the method itself.
"learned" is a DQN at that level, trained against the other half of its pair; its weights ship
with the package for each embedded pack. With random as a fourth half there are seven pairs more,
whose learned halves do not ship. Source: our reconstruction; the baselines of arXiv:2410.20180 are
not known by name.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from copyright_gym.agents.provenance import pack_fingerprint
from copyright_gym.agents.q_policy import QPolicy, load_q_policy
from copyright_gym.config import MarketConfig
from copyright_gym.errors import PolicyError, listed
from copyright_gym.pack import load_pack
from copyright_gym.policies import Level, Policy, policy_names

LEARNED = "learned"
BASELINES = (
    "uniform+uniform",
    "uniform+greedy",
    "uniform+learned",
    "greedy+uniform",
    "greedy+greedy",
    "greedy+learned",
    "learned+uniform",
    "learned+greedy",
)
TRAINED_BASELINES = tuple(name for name in BASELINES if LEARNED in name)
RANDOM_BASELINES = (
    "random+random",
    "random+uniform",
    "random+greedy",
    "random+learned",
    "uniform+random",
    "greedy+random",
    "learned+random",
)
TRAINED_RANDOM = tuple(name for name in RANDOM_BASELINES if LEARNED in name)


@dataclass(frozen=True)
class PolicyPair:
    """A named pair of policies.

    Attributes:
        name: its name in results.
        round_policy: decides at the round level. A registered name is resolved where it plays,
            because some policies need the options of the market.
        holder_policy: decides at the holder level, likewise.
    """

    name: str
    round_policy: str | Policy
    holder_policy: str | Policy

    @property
    def training_steps(self) -> int:
        """Holder decisions that the pair's learned halves were trained on; 0 if none is."""
        halves = (self.round_policy, self.holder_policy)
        return max(
            int(half.card.provenance.get("steps", 0)) if isinstance(half, QPolicy) else 0
            for half in halves
        )


def weights_file(name: str, pack: str) -> Path:
    """Return where the weights of a baseline's learned half are kept in this package.

    Args:
        name: name of a baseline with a learned half.
        pack: name of the pack.

    Returns:
        The path; there need not be a file.
    """
    folder = Path(str(resources.files("copyright_gym.agents"))) / "weights" / pack
    return folder / f"{name.replace('+', '-')}.safetensors"


def load_learned_half(name: str, pack: str) -> QPolicy:
    """Load the learned half of a baseline.

    Args:
        name: name of a baseline with a learned half.
        pack: the pack that it shall play on, a name or a folder.

    Returns:
        The policy.

    Raises:
        PolicyError: the baseline is unknown, has no weights for this pack, or was trained on
            another version of it.
    """
    if name not in TRAINED_BASELINES:
        raise PolicyError(
            f"unknown baseline with a learned half {name!r}; known: {listed(TRAINED_BASELINES)}"
        )
    loaded = load_pack(pack)
    path = weights_file(name, loaded.name)
    remedy = f"make them with: copyright-gym train baselines --pack {pack}"
    if not path.is_file():
        raise PolicyError(f"no weights of {name} for the pack {loaded.name!r}; {remedy}")
    policy = load_q_policy(path)
    if policy.card.provenance.get("pack_sha256") != pack_fingerprint(loaded):
        raise PolicyError(
            f"the weights of {name} were trained on another version of the pack "
            f"{loaded.name!r}; {remedy}"
        )
    return policy


def _half_for(name: str, config: MarketConfig) -> QPolicy:
    return load_learned_half(name, config.pack)


uniform_learned = functools.partial(_half_for, "uniform+learned")
greedy_learned = functools.partial(_half_for, "greedy+learned")
learned_uniform = functools.partial(_half_for, "learned+uniform")
learned_greedy = functools.partial(_half_for, "learned+greedy")


def split_name(text: str) -> tuple[str, str]:
    """Split NAME=ROUND+HOLDER at the "=" after the name; a policy file's path may hold more.

    Args:
        text: as `make_pair` reads it.

    Returns:
        The name, which holds no "+" and no "/", empty if there is none; the pair.
    """
    name, equals, pair = text.partition("=")
    return (name, pair) if equals and name and not set("+/") & set(name) else ("", text)


def pair_halves(text: str) -> list[str]:
    """Split the text of a pair, without its name; the path of a policy file may hold a "+".

    Args:
        text: as `make_pair` reads it.

    Returns:
        The round half and the holder half; nothing if the text is not of this form.
    """
    found = re.fullmatch(r"(.+?\.safetensors|[^+]+)\+(.+)", split_name(text)[1])
    return list(found.groups()) if found else []


def make_pair(text: str, pack: str = "portrait") -> PolicyPair:
    """Make a pair of policies from a text such as "greedy+learned".

    Args:
        text: round half + holder half, if wanted after a name for the pair: "name=round+holder".
            A half is a registered name, the path of a policy file, or "learned" next to
            "uniform" or "greedy". Without a name, files go by their names.
        pack: the pack that learned halves shall play on, a name or a folder.

    Returns:
        The pair.

    Raises:
        PolicyError: the text is not of this form, or a half is unknown.
    """
    name, value = split_name(text)
    halves = pair_halves(text)
    if not halves:
        raise PolicyError(
            f"a pair of policies is written ROUND+HOLDER or NAME=ROUND+HOLDER, not {text!r}; "
            f"baselines: {listed(BASELINES)}"
        )
    if halves == [LEARNED, LEARNED]:
        raise PolicyError(
            "learned+learned is the hierarchical DQN; train it with: copyright-gym train "
            "hierarchical, and name its two policy files"
        )
    return PolicyPair(
        name or "+".join(Path(half).stem if _is_file(half) else half for half in halves),
        _find_half(halves[0], "round", value, pack),
        _find_half(halves[1], "holder", value, pack),
    )


def _is_file(half: str) -> bool:
    return half.endswith(".safetensors")


def _find_half(half: str, level: Level, name: str, pack: str) -> str | Policy:
    if half == LEARNED:
        return load_learned_half(name, pack)
    if _is_file(half):
        return load_q_policy(half, level)
    known = policy_names(level)
    if half not in known:
        raise PolicyError(f"unknown {level} policy {half!r}; known: {listed(known)}")
    return half
