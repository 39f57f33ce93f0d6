"""Play batches of markets with exploration and record what each level saw and did.

Both levels decide on one `Market`: an environment would show one of them only, and add infos and
copies to each step. What it gives for the same draws and actions is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from copyright_gym.agents.habits import Habits
from copyright_gym.agents.maskable_dqn import MaskableDQN
from copyright_gym.agents.memory import Memory
from copyright_gym.agents.traces import Record
from copyright_gym.market import Market
from copyright_gym.observations import SHARES
from copyright_gym.policies import Policy

Observations = NDArray[np.float32]
Actions = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Actor(Protocol):
    """One level's decision maker during collection.

    Attributes:
        order: visiting order that a holder policy asks for, or None.
        masked: whether it is told what is legal.
    """

    order: str | None
    masked: bool

    def begin(self, n: int) -> None:
        """Begin new episodes in n markets."""
        ...

    def see(self, observation: Observations) -> Observations:
        """Return what the decision maker sees, float32 (n, e); called once a step."""
        ...

    def act(self, seen: Observations, mask: Bools) -> tuple[Actions, Bools]:
        """Choose actions.

        Args:
            seen: float32 (n, e), from `see`.
            mask: bool (n, k).

        Returns:
            Actions int64 (n,), and bool (n,): True where the action is not the greedy one.
        """
        ...


class Explorer:
    """A learner that explores: in each market with a probability of its own.

    Args:
        model: the learner.
        rng: source of the exploration.
        order: visiting order that a holder policy asks for, or None.
        memory: what it remembers of its episode, or None.
        masked: whether it is told what is legal.
        habits: the habits of markets that explore, or None.

    Attributes:
        epsilon: float64 (n,) or (1,), the probability of a random action by market.
        habitual: part of their strength that habits have, in markets that explore.
    """

    def __init__(
        self,
        model: MaskableDQN,
        rng: np.random.Generator,
        order: str | None,
        memory: Memory | None = None,
        masked: bool = True,
        habits: Habits | None = None,
    ) -> None:
        self.model = model
        self.masked = masked
        self.order = order
        self._memory = memory
        self._habits = habits
        self.epsilon: NDArray[np.float64] = np.ones(1)
        self.habitual = 1.0
        self._rng = rng

    def begin(self, n: int) -> None:
        """Forget the last episodes, and take new habits."""
        if self._memory:
            self._memory.reset(n)
        if self._habits:
            exploring = np.broadcast_to(self.epsilon > 0, n)
            self._habits.reset(np.where(exploring, self.habitual, 0.0))

    def see(self, observation: Observations) -> Observations:
        """Append what is remembered."""
        return self._memory.recall(observation) if self._memory else observation

    def act(self, seen: Observations, mask: Bools) -> tuple[Actions, Bools]:
        """Choose by habit; without one greedily, or with probability `epsilon` any legal action."""
        greedy = self.model.act(seen, mask, 0.0)
        tries = self._rng.random(len(mask)) < self.epsilon
        guesses = np.where(mask, self._rng.random(mask.shape), -1.0).argmax(axis=1)
        actions = np.where(tries, guesses, greedy)
        if self._habits:
            habitual = self._habits.act(seen, mask)
            actions = np.where(habitual >= 0, habitual, actions)
        return actions, actions != greedy


class Fixed:
    """A policy that is not trained; all that it does counts as greedy.

    Args:
        policy: the policy.
        rng: what the policy draws from.
    """

    masked = True

    def __init__(self, policy: Policy, rng: np.random.Generator) -> None:
        self.policy = policy
        self.order = policy.order
        self._rng = rng

    def begin(self, n: int) -> None:
        """Reset the policy."""
        self.policy.reset(n, self._rng)

    def see(self, observation: Observations) -> Observations:
        """Return the observation."""
        return observation

    def act(self, seen: Observations, mask: Bools) -> tuple[Actions, Bools]:
        """Ask the policy."""
        return self.policy.act(seen, mask), np.zeros(len(mask), np.bool_)


class _Step(NamedTuple):
    """A decision of all markets at one level; arrays (n, ...)."""

    observation: Observations
    mask: Bools
    action: Actions
    explored: Bools


def collect(
    market: Market, rng: np.random.Generator, round_actor: Actor, holder_actor: Actor
) -> tuple[Record, Record]:
    """Play one episode in every market.

    A round is disturbed if the holder level explored in it, and a round's last holder step if
    the share of the next round was not the greedy one.

    Args:
        market: the markets; they are reset.
        rng: source of the hidden factors.
        round_actor: decides at the round level.
        holder_actor: decides at the holder level.

    Returns:
        The records of the round level (T steps) and of the holder level (T * H steps).
    """
    market.reset([rng] * market.n)
    round_actor.begin(market.n)
    holder_actor.begin(market.n)
    rounds, holders = market.tables.rounds, market.tables.holders
    round_steps: list[_Step] = []
    holder_steps: list[_Step] = []
    rewards = np.zeros((rounds, holders, market.n))
    accepted = np.zeros((rounds, holders, market.n), np.bool_)
    played = np.zeros(market.n, np.int64)
    for t in range(rounds):
        running = market.running
        played += running
        round_steps.append(_decide(round_actor, market.round_observation(), market.round_mask()))
        market.begin_round(SHARES[round_steps[-1].action], holder_actor.order, running)
        for position in range(holders):
            step = _decide(holder_actor, market.holder_observation(), market.holder_mask())
            before = market.accepted.copy()
            rewards[t, position] = market.offer(step.action, running)
            accepted[t, position] = market.accepted > before
            holder_steps.append(step)
        rewards[t, -1] += market.end_round(running)
    shared = np.stack([step.explored for step in round_steps])
    offered = np.stack([step.explored for step in holder_steps]).reshape(rounds, holders, -1)
    closes = np.zeros_like(offered)
    closes[:-1, -1] = shared[1:]
    return (
        _record(
            round_steps,
            np.zeros((rounds, market.n), np.bool_),
            rewards.sum(axis=1),
            np.logical_or.reduce(offered, axis=1),
            played,
        ),
        _record(
            holder_steps,
            accepted.reshape(rounds * holders, -1),
            rewards.reshape(rounds * holders, -1),
            closes.reshape(rounds * holders, -1),
            played * holders,
        ),
    )


def _decide(actor: Actor, observation: Observations, mask: Bools) -> _Step:
    seen = actor.see(observation)
    mask = mask if actor.masked else np.ones_like(mask)
    return _Step(seen, mask, *actor.act(seen, mask))


def _record(
    steps: Sequence[_Step],
    accepted: Bools,
    rewards: NDArray[np.float64],
    disturbed: Bools,
    lengths: Actions,
) -> Record:
    return Record(
        observations=np.stack([step.observation for step in steps]),
        masks=np.stack([step.mask for step in steps]),
        actions=np.stack([step.action for step in steps]),
        rewards=rewards,
        explored=np.stack([step.explored for step in steps]),
        accepted=accepted,
        disturbed=disturbed,
        lengths=lengths,
    )
