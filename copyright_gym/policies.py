"""Policies: one protocol for all decision makers, and a registry of them by name.

Other packages add policies through the entry point group `copyright_gym.policies`; the name
of an entry point is "level.name", for example "holder.auction = my_package:Auction".
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PolicyError, listed, load_attribute

if TYPE_CHECKING:
    from copyright_gym.config import MarketConfig

Level = Literal["round", "holder", "joint"]
LEVELS: tuple[Level, ...] = get_args(Level)
ENTRY_POINT_GROUP = "copyright_gym.policies"


@runtime_checkable
class Policy(Protocol):
    """A decision maker for n markets at a time.

    All policies of a level get the same information: the observation and the mask.

    Attributes:
        level: "round", "holder" or "joint".
        order: visiting order that a holder policy asks for, "index" or "value"; None
            leaves it to the market.

    A policy that neither draws nor remembers should also have a true attribute `stateless`:
    it is then asked about many markets at once where others are copied for each market. It may
    also have a method `act_one(observation, mask) -> int`, which answers as `act` does for one
    market, by its rows of both, but sooner.
    """

    level: Level
    order: str | None

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Get ready for new episodes.

        Args:
            n: number of markets.
            rng: the only source of randomness that the policy may use.
        """
        ...

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose one action per market.

        Args:
            observation: float32 (n, d), features as in `copyright_gym.observations`.
            mask: bool (n, k), legal actions. At the joint level k = 1 + H and all is legal.

        Returns:
            int64 (n,) at the round and the holder level; float32 (n, 1 + H) in [-1, 1] at
            the joint level.
        """
        ...


PolicyFactory = Callable[..., Policy]
PolicyFunction = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[Any]]


class FunctionPolicy:
    """A policy that is a plain function of observation and mask, and so without state.

    Args:
        function: chooses the actions, as `Policy.act` does.
        level: "round", "holder" or "joint".
        order: visiting order that a holder policy asks for, or None.
    """

    stateless: ClassVar[bool] = True

    def __init__(self, function: PolicyFunction, level: Level, order: str | None = None) -> None:
        self.level = _known_level(level)
        self.order = order
        self._function = function

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Do nothing: the policy has no state."""

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Ask the function."""
        return self._function(observation, mask)


def function_policy(
    level: Level, order: str | None = None
) -> Callable[[PolicyFunction], Callable[[], FunctionPolicy]]:
    """Turn a plain function into what makes a policy, as a decorator.

    ```python
    @function_policy("holder")
    def lowest(observation, mask):
        return mask[:, 1].astype(int)  # the lowest markup, if there is money left


    register_policy("lowest", "holder", lowest)
    ```

    An entry point may name the function just as well, and `lowest()` is the policy.

    Args:
        level: "round", "holder" or "joint".
        order: visiting order that a holder policy asks for, or None.

    Returns:
        The decorator.

    Raises:
        PolicyError: the level is unknown.
    """
    _known_level(level)
    return lambda function: functools.partial(FunctionPolicy, function, level, order)


_BUILT_IN: dict[tuple[str, str], PolicyFactory | str] = {
    ("round", "uniform"): "copyright_gym.heuristics:UniformRound",
    ("round", "greedy"): "copyright_gym.heuristics:GreedyRound",
    ("round", "random"): "copyright_gym.heuristics:RandomRound",
    ("round", "all"): "copyright_gym.heuristics:AllRound",
    ("holder", "uniform"): "copyright_gym.heuristics:UniformHolder",
    ("holder", "greedy"): "copyright_gym.heuristics:GreedyHolder",
    ("holder", "random"): "copyright_gym.heuristics:RandomHolder",
    ("joint", "random"): "copyright_gym.heuristics:RandomJoint",
    # The learned halves of the baselines, by the baseline's name.
    ("holder", "uniform+learned"): "copyright_gym.agents.baselines:uniform_learned",
    ("holder", "greedy+learned"): "copyright_gym.agents.baselines:greedy_learned",
    ("round", "learned+uniform"): "copyright_gym.agents.baselines:learned_uniform",
    ("round", "learned+greedy"): "copyright_gym.agents.baselines:learned_greedy",
    # Rivals; all but "adaptive" know the pack's public scores, and some its surrogate.
    ("holder", "adaptive"): "copyright_gym.agents.adaptive:AdaptiveHolder",
    ("holder", "copyright"): "copyright_gym.agents.proportional:CopyrightHolder",
    ("holder", "dual-pacing"): "copyright_gym.agents.dual_pacing:DualPacingHolder",
    ("holder", "knapsack"): "copyright_gym.agents.knapsack:KnapsackHolder",
    ("holder", "leave-one-out"): "copyright_gym.agents.proportional:LeaveOneOutHolder",
    ("holder", "model-adaptive"): "copyright_gym.agents.model_adaptive:ModelAdaptiveHolder",
    ("holder", "shapley"): "copyright_gym.agents.proportional:ShapleyHolder",
    ("holder", "singer"): "copyright_gym.agents.singer:SingerHolder",
    ("holder", "thompson"): "copyright_gym.agents.thompson:ThompsonHolder",
    ("holder", "trak"): "copyright_gym.agents.proportional:TrakHolder",
    ("joint", "gradient"): "copyright_gym.agents.gradient:GradientJoint",
    ("joint", "oracle"): "copyright_gym.agents.oracle:OracleJoint",
}
_registry = dict(_BUILT_IN)


def register_policy(name: str, level: Level, factory: PolicyFactory | str) -> None:
    """Add a policy to the registry, in place of one of the same name and level.

    Only this process knows it then. Workers of a benchmark do too if the main script registers it
    at its top, outside its `__main__` guard; an entry point is known everywhere.

    Args:
        name: the policy's name.
        level: where it decides.
        factory: makes the policy from keyword arguments; or where to import it from, as
            "module:attribute".

    Raises:
        PolicyError: the level is unknown.
    """
    _registry[_known_level(level), name] = factory


def registered_policies() -> set[tuple[str, str]]:
    """Return level and name of what `register_policy` added or replaced in this process."""
    return {key for key, made in _registry.items() if made is not _BUILT_IN.get(key)}


def policy_names(level: Level) -> list[str]:
    """List the policies of a level.

    Args:
        level: "round", "holder" or "joint".

    Returns:
        Sorted names.

    Raises:
        PolicyError: the level is unknown.
    """
    names = {name for known, name in _registry if known == _known_level(level)}
    return sorted(names | set(_foreign(level)))


def make_policy(
    name: str, level: Level, *, config: MarketConfig | None = None, **kwargs: Any
) -> Policy:
    """Make a policy by name.

    Args:
        name: the policy's name.
        level: where it decides.
        config: options of the markets to play in, for policies that know the pack: those
            whose factory has an argument of this name.
        **kwargs: options of the policy.

    Returns:
        The policy; call its `reset` before `act`.

    Raises:
        PolicyError: the level or the name is unknown, or the policy needs a `config`.
        MissingExtraError: the policy needs a library that is not installed.
    """
    factory = _registry.get((_known_level(level), name)) or _foreign(level).get(name)
    if factory is None:
        known = listed(policy_names(level))
        raise PolicyError(f"unknown {level} policy {name!r}; known: {known}")
    if isinstance(factory, str):
        factory = load_attribute(factory)
    if "config" in inspect.signature(factory).parameters:
        if config is None:
            raise PolicyError(
                f"the {level} policy {name!r} must know the market: give its MarketConfig "
                "as the argument config"
            )
        kwargs["config"] = config
    policy: Policy = factory(**kwargs)
    return policy


def as_policy(policy: str | Policy, level: Level, config: MarketConfig | None = None) -> Policy:
    """Return a policy given by name or as an object.

    Args:
        policy: name in the registry, or a policy.
        level: where it shall decide.
        config: options of the markets to play in, for policies that know the pack.

    Returns:
        The policy.

    Raises:
        PolicyError: the name is unknown, or the object is no policy of this level.
    """
    if isinstance(policy, str):
        return make_policy(policy, level, config=config)
    lacking = [name for name in ("level", "order", "reset", "act") if not hasattr(policy, name)]
    fault = ""
    if isinstance(policy, type):
        fault = "it is a class; give an object"
    elif lacking:
        fault = f"it has no {listed(lacking)}"
    elif policy.level != level:
        fault = f"its level is {policy.level!r}"
    if fault:
        raise PolicyError(f"expected a {level} policy or its name, not {policy!r}: {fault}")
    return policy


def is_stateless(policy: Policy) -> bool:
    """Return whether a policy's answers depend on nothing but the row it is asked about.

    Args:
        policy: the policy.

    Returns:
        True if it says so by its attribute `stateless`.
    """
    return bool(getattr(policy, "stateless", False))


def answers_one(
    policy: Policy,
) -> Callable[[NDArray[np.float32], NDArray[np.bool_]], int] | None:
    """Return what a policy answers for one market with, if it has such a method.

    Args:
        policy: the policy.

    Returns:
        Its method `act_one`, or None.
    """
    return getattr(policy, "act_one", None)


def _known_level(level: Level) -> Level:
    if level not in LEVELS:
        raise PolicyError(f"unknown level {level!r}; known: {listed(LEVELS)}")
    return level


def _foreign(level: Level) -> dict[str, str]:
    """Return the entry points of other packages as references by policy name."""
    prefix = f"{level}."
    found = entry_points(group=ENTRY_POINT_GROUP)
    return {e.name.removeprefix(prefix): e.value for e in found if e.name.startswith(prefix)}
