"""What the vector environments share: seeding, autoreset and infos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.envs.base import check_flags
from copyright_gym.envs.draws import Draws
from copyright_gym.envs.team import Team
from copyright_gym.envs.vector_options import (
    as_autoreset_mode,
    as_seeds,
    check_width,
    reset_mask,
)
from copyright_gym.features import MARKUPS, bounds
from copyright_gym.market import Market
from copyright_gym.policies import Level, Policy, as_policy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Observations = NDArray[np.float32]
Step = tuple[Observations, Floats, Bools, Bools, dict[str, Any]]

# NumPy broadcasts along rows up to three times faster where its buffer holds one row at most.
_BUFFER, _MANY = 1024, 256

_NEXT_STEP, _SAME_STEP = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP


class VectorMarketEnv(VectorEnv[Observations, NDArray[Any], NDArray[Any]]):
    """n markets side by side; subclasses say what a step decides and what is seen.

    Equal seeds give the same bits as `gymnasium.vector.SyncVectorEnv` over the single
    environments, in all three autoreset modes. All arrays that are returned are new.

    Attributes:
        market: the kernel. It also holds what policies must not see.
        num_envs: number of markets.
    """

    def __init__(
        self,
        num_envs: int,
        config: MarketConfig,
        features: tuple[str, ...],
        action_space: Space[Any],
        autoreset_mode: str | AutoresetMode,
        reveal: bool,
    ) -> None:
        """Make markets and set the spaces.

        Args:
            num_envs: number of markets, at least 1.
            config: the options of the markets.
            features: names of the features of an observation.
            action_space: actions in one market.
            autoreset_mode: when a market whose episode is over begins the next.
            reveal: whether infos tell the hidden expectations.

        Raises:
            OptionError: an option is impossible.
            PackError: the pack is unknown or damaged.
        """
        check_width(num_envs)
        check_flags(reveal, None)
        self.autoreset_mode = as_autoreset_mode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.num_envs = num_envs
        self.market = Market(config, num_envs)
        self.reveal = reveal
        self.single_observation_space = Box(*bounds(features), dtype=np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.single_action_space = action_space
        self.action_space = batch_space(action_space, num_envs)
        self._draws = Draws(num_envs, self.market.normals)
        self._everyone = np.ones(num_envs, np.bool_)
        # Markets that the next step resets; None if there are none.
        self._waiting: Bools | None = None

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: seeds of the generators that this and the following episodes draw from: one
                per market, or one integer for seed, seed + 1, and so on; None goes on with
                the generators as they are.
            options: `reset_mask`, bool (n,), names the markets to reset; all by default.

        Returns:
            The observations of all markets, and the infos of those that were reset.

        Raises:
            ValueError: the number of seeds or the mask is wrong.
            TypeError: the mask is no array of bools.
        """
        n = self.num_envs
        seeds = as_seeds(seed, n)
        where = reset_mask(options, n)
        rows = range(n) if where is None else np.flatnonzero(where).tolist()
        for row in rows:
            if self._draws.reseed(row, seeds[row]):
                self._reseeded(row)
        if self._waiting is not None:
            self._wait(None if where is None else self._waiting & ~where)
        self._restart(where)
        return self._observe(), self._infos(where)

    def step(self, actions: ArrayLike) -> Step:
        """Take a step in each market.

        Args:
            actions: one action per market. With autoreset on the next step, those of markets
                whose episode was over are ignored.

        Returns:
            Observations float32 (n, d), rewards float64 (n,), terminations and truncations
            bool (n,), and infos.

        Raises:
            InvalidAction: an action is not in the action space; the state is unchanged.
            ResetNeeded: an episode has not begun or is over.
        """
        if self.num_envs < _MANY or self.market.kernel:
            return self._step(actions)
        before = np.setbufsize(_BUFFER)
        try:
            return self._step(actions)
        finally:
            np.setbufsize(before)

    def _step(self, actions: ArrayLike) -> Step:
        n, waiting = self.num_envs, self._waiting
        over: Bools | None = None
        if waiting is None:
            rewards, over = self._play(actions, None)
        else:
            rewards = np.zeros(n)
            if not waiting.all():
                rewards, over = self._play(actions, ~waiting)
            self._restart(waiting)
            self._waiting = None
        ended = np.zeros(n, np.bool_) if over is None else over
        final: dict[str, Any] = {}
        if over is not None and self.autoreset_mode is _NEXT_STEP:
            self._wait(over.copy())
        elif over is not None and self.autoreset_mode is _SAME_STEP:
            final = self._final(over)
            self._restart(over)
        infos = self._infos(None)
        infos.update(final)
        return self._observe(), rewards, ended, np.zeros(n, np.bool_), infos

    def _play(self, actions: ArrayLike, where: Bools | None) -> tuple[Floats, Bools | None]:
        """Take a step in some markets; return rewards and which episodes ended, None for none."""
        raise NotImplementedError

    def _observe(self) -> Observations:
        """Return the observations of all markets in a new array, float32 (n, d)."""
        raise NotImplementedError

    def _ended(self, where: Bools | None) -> Bools | None:
        """Return which episodes are over among those of the markets `where`, None for none."""
        over = ~self.market.running
        if where is not None:
            over &= where
        return over if over.any() else None

    def _wait(self, over: Bools | None) -> None:
        """Note which markets the next step has to reset."""
        self._waiting = over if over is not None and over.any() else None

    def _begin(self, rows: Iterable[int], where: Bools | None) -> None:
        """Do what comes before the first decision of an episode."""

    def _reseeded(self, row: int) -> None:
        """Note that a market's generator is a new one."""

    def _restart(self, where: Bools | None) -> None:
        """Start new episodes in the markets `where`."""
        rows = np.arange(self.num_envs) if where is None else np.flatnonzero(where)
        if self.market.config.order == "random":
            generators = [self._draws.generator(row) for row in range(self.num_envs)]
            self.market.reset(generators, where)
        else:
            self.market.restart(self._draws.normals(rows), rows)
        self._begin(rows, where)

    def _infos(self, where: Bools | None) -> dict[str, Any]:
        """Return the infos of the markets `where`, None for all; those of the others are 0."""
        infos: dict[str, Any] = {}
        self._add(infos, where, "quality", self.market.quality.copy())
        if self.reveal:
            hidden: dict[str, Any] = {}
            self._add(hidden, where, "expectations", self.market.expectations)
            infos["hidden"], infos["_hidden"] = hidden, hidden["_expectations"].copy()
        return infos

    def _add(
        self, infos: dict[str, Any], where: Bools | None, name: str, values: NDArray[Any]
    ) -> None:
        """Add a new array to infos, with a mask of the markets that it is about."""
        if where is not None:
            values[~where] = 0
        infos[name], infos[f"_{name}"] = values, (self._everyone if where is None else where).copy()

    def _final(self, over: Bools) -> dict[str, Any]:
        """Return the infos about episodes that are over, before their markets restart."""
        last = np.full(self.num_envs, None, dtype=object)
        seen = self._observe()
        for row in np.flatnonzero(over).tolist():
            last[row] = seen[row].copy()
        infos = {"final_obs": last, "final_info": self._infos(over)}
        return infos | {"_final_obs": over.copy(), "_final_info": over.copy()}


class DiscreteVectorMarketEnv(VectorMarketEnv):
    """A view of one level of the hierarchy; a given policy decides at the other level."""

    other_level: ClassVar[Level]

    def __init__(
        self,
        num_envs: int,
        config: MarketConfig,
        features: tuple[str, ...],
        policy: str | Policy,
        autoreset_mode: str | AutoresetMode,
        reveal: bool,
    ) -> None:
        """Make markets and keep the policy of the other level.

        Args:
            num_envs: number of markets, at least 1.
            config: the options of the markets.
            features: names of the features of an observation.
            policy: name or object of the policy of the other level.
            autoreset_mode: when a market whose episode is over begins the next.
            reveal: whether infos tell the hidden expectations.

        Raises:
            OptionError: an option is impossible.
            PackError: the pack is unknown or damaged.
            PolicyError: the policy is unknown or of the wrong level.
        """
        space = Discrete(len(MARKUPS))
        super().__init__(num_envs, config, features, space, autoreset_mode, reveal)
        self._team = Team(as_policy(policy, self.other_level, self.market.config), num_envs)
        self._policy_generators: dict[int, np.random.Generator] = {}

    def set_policy(self, policy: str | Policy) -> None:
        """Change the policy of the other level; it decides from its next decision on.

        Args:
            policy: name or object of the policy.

        Raises:
            PolicyError: the policy is unknown or of the wrong level.
        """
        self._team = Team(as_policy(policy, self.other_level, self.market.config), self.num_envs)
        self._team.restart(range(self.num_envs), self._policy_generator)

    def action_masks(self) -> Bools:
        """Return the legal actions: those that differ from all lower ones.

        Returns:
            bool (n, 11), True where legal.
        """
        raise NotImplementedError

    def _begin(self, rows: Iterable[int], where: Bools | None) -> None:
        self._team.restart(rows, self._policy_generator)

    def _reseeded(self, row: int) -> None:
        self._policy_generators.pop(row, None)

    def _policy_generator(self, row: int) -> np.random.Generator:
        if row not in self._policy_generators:
            self._policy_generators[row] = self._draws.generator(row).spawn(1)[0]
        return self._policy_generators[row]

    def _infos(self, where: Bools | None) -> dict[str, Any]:
        infos = super()._infos(where)
        self._add(infos, where, "action_mask", self.action_masks().view(np.int8))
        return infos
