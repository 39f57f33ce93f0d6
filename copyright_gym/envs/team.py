"""One policy in many markets, each of which begins its episodes when it likes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.policies import Level, Policy, is_stateless

Bools = NDArray[np.bool_]


class Team:
    """Plays in n markets as n single environments with copies of one policy would.

    A stateless policy is asked about all markets at once. Any other is copied for each market.

    Attributes:
        policy: the policy.
        level: its level.
        order: the visiting order that it asks for.
    """

    def __init__(self, policy: Policy, n: int) -> None:
        """Copy a policy where needed.

        Args:
            policy: the policy.
            n: number of markets.
        """
        self.policy = policy
        self.level: Level = policy.level
        self.order = policy.order
        self._members = None if is_stateless(policy) else [copy.deepcopy(policy) for _ in range(n)]
        self._asked: Iterable[int] = range(n)

    def restart(self, rows: Iterable[int], generator: Callable[[int], np.random.Generator]) -> None:
        """Get ready for new episodes.

        Args:
            rows: the markets that begin one.
            generator: returns what the policy of a market draws from.
        """
        if self._members:
            for row in rows:
                self._members[row].reset(1, generator(row))

    def at(self, where: Bools | None) -> Team:
        """Say which markets the next questions are about.

        Args:
            where: bool (n,), the markets; None for all.

        Returns:
            This team.
        """
        if self._members:
            self._asked = range(len(self._members)) if where is None else np.flatnonzero(where)
        return self

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Do nothing; `restart` does."""

    def act(self, observation: NDArray[np.float32], mask: Bools) -> NDArray[Any]:
        """Choose an action for each market; 0 for those that are not asked about."""
        if not self._members:
            return self.policy.act(observation, mask)
        actions = np.zeros(len(mask), np.int64)
        for row in self._asked:
            here = slice(row, row + 1)
            actions[row] = self._members[row].act(observation[here], mask[here])[0]
        return actions
