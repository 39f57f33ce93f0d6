"""Settings of the hierarchical DQN."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of the training.

    The defaults were tuned on a made-up pack; `holder_steps`, `holder_hidden`, `holder_replay`,
    `tau`, and what concerns exploration also on the packs, on markets that no evaluation uses.

    Attributes:
        markets: markets played side by side.
        round_hidden: widths of the round network's hidden layers.
        holder_hidden: widths of the holder network's hidden layers.
        learning_rate: Adam's step size at the start; it falls linearly to 0.
        batch_size: transitions per gradient step.
        round_replay: how often a decision of the round level is used on average.
        holder_replay: how often a decision of the holder level is used on average.
        kept_episodes: episodes that the replay buffers reach back, at least.
        round_steps: longest transition of the round level, in rounds.
        holder_steps: longest transition of the holder level, in holders.
        final_epsilon: probability of a random action at the end of the exploration.
        exploration: part of the training in which epsilon falls linearly from 1.
        habits: a market that explores at the holder level has a habit towards each holder with a
            probability that is drawn between 0 and this for each episode; see `Habits`. In the last
            quarter of the exploration habits fade.
        first_budget: the budget that markets have at first, as a multiple of the real one. A set of
            lots that pays as a whole only is found while all of it can be bought.
        first_budget_until: part of the training in which they have it.
        calm: part of the markets in which the round level explores and the holder level does not,
            if both are learned.
        double_q: whether the online network chooses the target's action (Double DQN).
        tau: part of the online weights that each gradient step mixes into the target.
        reward_scale: the networks learn rewards times this.
        order: visiting order of the learned holder level.
        outcomes: whether the holder level learns values apart for accepted and for refused offers;
            see `OutcomeDQN`.
        remember: whether the holder level remembers what it saw of all holders; see `Memory`.
        beyond_round: whether the holder level looks beyond the round's end, so that what it leaves
            over has a value.
        masked: whether masks count in training, in what is done and in the targets; in play they
            always do.
    """

    markets: int = 64
    round_hidden: tuple[int, ...] = (64, 64)
    holder_hidden: tuple[int, ...] = (128, 128)
    learning_rate: float = 2e-3
    batch_size: int = 512
    round_replay: float = 16.0
    holder_replay: float = 8.0
    kept_episodes: int = 2500
    round_steps: int = 5
    holder_steps: int = 40
    final_epsilon: float = 0.05
    exploration: float = 0.9
    habits: float = 0.6
    first_budget: float = 4 / 3
    first_budget_until: float = 0.7
    calm: float = 0.25
    double_q: bool = False
    tau: float = 0.01
    reward_scale: float = 10.0
    order: str | None = "value"
    outcomes: bool = True
    remember: bool = True
    beyond_round: bool = True
    masked: bool = True
