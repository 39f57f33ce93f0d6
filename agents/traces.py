"""Turn recorded episodes into multi-step transitions for a Q-learner.

A transition from step t to step j > t says: after action t, and then greedy actions, these
rewards came and this state was reached. Its return is therefore no estimate of a worse policy,
however much the episode explored (the cut of Watkins' Q(lambda); Watkins 1989, Munos et al. 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Record:
    """What one level saw and did in n episodes of up to k steps.

    Attributes:
        observations: float32 (k, n, d).
        masks: bool (k, n, a); True where an action was legal.
        actions: int64 (k, n).
        rewards: float64 (k, n).
        explored: bool (k, n); True where the action was not the greedy one.
        accepted: bool (k, n); True where the action was an offer that was accepted.
        disturbed: bool (k, n); True where the other level explored on the way from this step to
            the next one or to the end.
        lengths: int64 (n,); steps of each episode. Later entries are ignored.
    """

    observations: NDArray[np.float32]
    masks: NDArray[np.bool_]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    explored: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    disturbed: NDArray[np.bool_]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Transitions:
    """Flat arrays of m transitions, ready for a replay buffer (gamma = 1).

    Attributes:
        observations: float32 (m, d).
        actions: int64 (m,).
        accepted: bool (m,); as in the record.
        returns: float64 (m,); sum of the rewards on the way.
        next_observations: float32 (m, d); zeros where the episode ended.
        next_masks: bool (m, a); all True where the episode ended.
        dones: bool (m,).
    """

    observations: NDArray[np.float32]
    actions: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    returns: NDArray[np.float64]
    next_observations: NDArray[np.float32]
    next_masks: NDArray[np.bool_]
    dones: NDArray[np.bool_]


def multi_step(record: Record, n_steps: int) -> Transitions:
    """Cut the recorded episodes into transitions of up to `n_steps` steps.

    From each step the transition runs on while the following actions are greedy, and never over
    a disturbed step. A disturbed step gives no transition of its own.

    Args:
        record: The episodes.
        n_steps: The longest transition, in steps; at least 1.

    Returns:
        The transitions, ordered by step, then by episode.
    """
    steps, n = record.actions.shape
    last = np.full(n, steps, dtype=np.int64)  # where a transition from step t + 1 may end
    ends = np.zeros((steps, n), dtype=np.int64)
    for t in reversed(range(steps)):
        stop = record.lengths == t + 1
        if t + 1 < steps:
            stop = stop | record.explored[t + 1] | (last == t + 1)
            last = np.where(stop, t + 1, last)
        last = np.where(record.disturbed[t], t, last)
        ends[t] = np.minimum(last, t + n_steps)
    index = np.arange(steps)[:, None]
    rows, columns = np.nonzero((index < record.lengths) & (ends > index))
    stops = ends[rows, columns]
    dones = stops == record.lengths[columns]
    totals = np.concatenate([np.zeros((1, n)), np.cumsum(record.rewards, axis=0)])
    within = np.where(dones, 0, stops)
    next_observations = record.observations[within, columns]
    next_observations[dones] = 0.0
    return Transitions(
        observations=record.observations[rows, columns],
        actions=record.actions[rows, columns],
        accepted=record.accepted[rows, columns],
        returns=totals[stops, columns] - totals[rows, columns],
        next_observations=next_observations,
        next_masks=record.masks[within, columns] | dones[:, None],
        dones=dones,
    )


def by_round(record: Record, rounds: int) -> Record:
    """Cut episodes into their rounds, each an episode of its own.

    Args:
        record: Of the holder level: n episodes of T * H steps.
        rounds: Number of rounds T.

    Returns:
        T * n episodes of H steps, round by round.
    """
    steps, n = record.actions.shape
    holders = steps // rounds

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        apart = values.reshape(rounds, holders, n, *values.shape[2:]).swapaxes(0, 1)
        return np.asarray(apart.reshape(holders, rounds * n, *values.shape[2:]))

    arrays = {name: cut(values) for name, values in vars(record).items() if name != "lengths"}
    arrays["disturbed"][-1] = False  # what the next round's share was does not count here
    before = holders * np.arange(rounds)[:, None]
    return Record(**arrays, lengths=np.clip(record.lengths - before, 0, holders).ravel())
