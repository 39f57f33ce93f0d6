"""Multi-step transitions against a slow and literal version."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from copyright_gym.agents.traces import Record, by_round, multi_step


def random_record(seed: int, steps: int, n: int) -> Record:
    rng = np.random.default_rng(seed)
    return Record(
        observations=rng.random((steps, n, 2), dtype=np.float32) + 0.5,
        masks=rng.random((steps, n, 3)) < 0.5,
        actions=rng.integers(3, size=(steps, n)),
        rewards=rng.normal(size=(steps, n)),
        explored=rng.random((steps, n)) < 0.3,
        accepted=rng.random((steps, n)) < 0.5,
        disturbed=rng.random((steps, n)) < 0.2,
        lengths=rng.integers(1, steps + 1, size=n),
    )


def literal(record: Record, n_steps: int) -> list[tuple[int, int, int, float, bool]]:
    """Every transition as (start, episode, end, return, done), step by step."""
    found = []
    for start in range(len(record.actions)):
        for episode, length in enumerate(record.lengths):
            end = start
            while end < min(length, start + n_steps):
                if end > start and record.explored[end, episode]:
                    break
                if record.disturbed[end, episode]:
                    break
                end += 1
            if start < length and end > start:
                total = record.rewards[start:end, episode].sum()
                found.append((start, episode, end, total, bool(end == length)))
    return found


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 4), st.integers(1, 8))
def test_agrees_with_the_literal_version(seed: int, steps: int, n: int, n_steps: int) -> None:
    record = random_record(seed, steps, n)
    got = multi_step(record, n_steps)
    expected = literal(record, n_steps)
    assert len(got.actions) == len(expected)
    for i, (start, episode, end, total, done) in enumerate(expected):
        np.testing.assert_array_equal(got.observations[i], record.observations[start, episode])
        assert got.actions[i] == record.actions[start, episode]
        assert got.accepted[i] == record.accepted[start, episode]
        assert got.returns[i] == np.float64(total) or abs(got.returns[i] - total) < 1e-12
        assert got.dones[i] == done
        if done:
            assert (got.next_observations[i] == 0).all()
            assert got.next_masks[i].all()
        else:
            np.testing.assert_array_equal(
                got.next_observations[i], record.observations[end, episode]
            )
            np.testing.assert_array_equal(got.next_masks[i], record.masks[end, episode])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_rounds_are_episodes_of_their_own(seed: int, rounds: int, holders: int) -> None:
    record = random_record(seed, rounds * holders, 3)
    got = literal(by_round(record, rounds), holders)
    # The same cuts in the whole episodes, with each round's end as the end of its episode.
    expected = []
    for t in range(rounds):
        part = {name: a[t * holders : (t + 1) * holders] for name, a in vars(record).items()}
        part["lengths"] = np.clip(record.lengths - t * holders, 0, holders)
        part["disturbed"] = part["disturbed"].copy()
        part["disturbed"][-1] = False
        expected += [
            (start, 3 * t + episode, *rest)
            for start, episode, *rest in literal(Record(**part), holders)
        ]
    assert sorted(got) == sorted(expected)
