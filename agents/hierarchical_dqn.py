"""The hierarchical DQN: a round level and a holder level, trained jointly on one stream.

Each level is a `MaskableDQN`. The round level decides once a round, the holder level once per
holder, and its episode runs on over the rounds to the end; gamma is 1 at both. A level learns
only from stretches in which the other level played greedily, so that neither values a state by
what the other one's exploration made of it: in some of the markets only the round level
explores, in the others only the holder level.

The holder level remembers what it saw of the other holders, for their lots change what a lot is
worth. The round level has no memory; its observation sums a round up.

With one level fixed to a given policy the same trainer makes the learned half of a baseline.

Source: the two levels as in arXiv:2410.20180; everything else is our reconstruction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import polyak_update, update_learning_rate
from tqdm import tqdm

from copyright_gym.agents.bins import Bins
from copyright_gym.agents.collection import Explorer, Fixed, collect
from copyright_gym.agents.maskable_dqn import MaskableDQN
from copyright_gym.agents.memory import memory_for, remembered
from copyright_gym.agents.q_policy import PolicyCard, QPolicy
from copyright_gym.agents.traces import Record, multi_step
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.market import Market
from copyright_gym.observations import (
    MARKUPS,
    ROUND_FEATURES,
    SHARES,
    bounds,
    holder_features,
)
from copyright_gym.policies import Level, Policy, as_policy

# Of the progress of a training; the learners act at random before they have seen something.
_WARM_UP = 0.03


@dataclass(frozen=True)
class Settings:
    """Settings of the training.

    The defaults were tuned on a made-up pack; `holder_steps`, `holder_hidden`, `holder_replay` and
    `tau` also on the packs `portrait` and `clipart`, on markets that no evaluation uses.

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
        calm: part of the markets in which the round level explores and the holder level does not,
            if both are learned.
        double_q: whether the online network chooses the target's action (Double DQN).
        tau: part of the online weights that each gradient step mixes into the target.
        reward_scale: the networks learn rewards times this.
        order: visiting order of the learned holder level.
        remember: whether the holder level remembers what it saw of all holders; see `Memory`.
    """

    markets: int = 64
    round_hidden: tuple[int, ...] = (64, 64)
    holder_hidden: tuple[int, ...] = (256, 256)
    learning_rate: float = 2e-3
    batch_size: int = 512
    round_replay: float = 16.0
    holder_replay: float = 4.0
    kept_episodes: int = 2500
    round_steps: int = 5
    holder_steps: int = 40
    final_epsilon: float = 0.05
    exploration: float = 0.5
    calm: float = 0.25
    double_q: bool = True
    tau: float = 0.02
    reward_scale: float = 10.0
    order: str | None = "value"
    remember: bool = True


class HierarchicalDQN:
    """Trains both levels, or one of them against a given policy of the other.

    Args:
        config: options of the markets.
        seed: seed of weights, exploration and markets. Its markets are none that an evaluation
            with integer seeds meets.
        round_policy: name or policy; None learns this level.
        holder_policy: name or policy; None learns this level.
        settings: settings of the training.

    Attributes:
        steps: holder decisions seen so far.
        budget: the budget given to the last `learn`.

    Raises:
        OptionError: no level is left to learn.
        PolicyError: a policy is unknown or of the wrong level.
    """

    def __init__(
        self,
        config: MarketConfig,
        *,
        seed: int = 0,
        round_policy: str | Policy | None = None,
        holder_policy: str | Policy | None = None,
        settings: Settings | None = None,
    ) -> None:
        if round_policy is not None and holder_policy is not None:
            raise OptionError("round_policy and holder_policy are both given: nothing to learn")
        self.config = config
        self.seed = seed
        self.settings = settings or Settings()
        self.steps = 0
        self.budget = 0
        self._market = Market(config, self.settings.markets)
        # Two words, of which the last is not 0: no integer seed of an evaluation gives this.
        self._rng = np.random.default_rng([seed, 1])
        self._round = self._actor("round", round_policy)
        self._holder = self._actor("holder", holder_policy)

    def _actor(self, level: Level, policy: str | Policy | None) -> Explorer | Fixed:
        settings = self.settings
        if policy is not None:
            return Fixed(as_policy(policy, level, self.config), self._rng)
        card = self._card(level)
        tables = self._market.tables
        decisions = tables.rounds * (1 if level == "round" else tables.holders)
        low, high = bounds(card.features)
        model = MaskableDQN.from_spaces(
            spaces.Box(low, high),
            spaces.Discrete(card.actions),
            n_envs=1,
            seed=2 * self.seed + (level == "round"),
            gamma=1.0,
            double_q=settings.double_q,
            buffer_size=settings.kept_episodes * decisions,
            policy_kwargs={
                "features_extractor_class": _BinsExtractor,
                "features_extractor_kwargs": {"card": card},
                "net_arch": list(card.hidden),
                "optimizer_kwargs": {"fused": True},
            },
            device="cpu",
        )
        return Explorer(model, self._rng, card.order, memory_for(card.features))

    def _card(self, level: Level) -> PolicyCard:
        """Describe the network of a level."""
        rounds, holders = self._market.tables.rounds, self._market.tables.holders
        if level == "round":
            return PolicyCard(
                level=level,
                order=None,
                features=ROUND_FEATURES,
                bins={"round": rounds + 1, "leftover": 11},
                hidden=self.settings.round_hidden,
                actions=len(SHARES),
            )
        seen = holder_features(self.config.visible_expectations)
        return PolicyCard(
            level=level,
            order=self.settings.order,
            features=seen + (remembered(rounds, holders) if self.settings.remember else ()),
            bins={
                "round": rounds + 1,
                "bought": rounds + 1,
                "position": holders + 1,
                "holder": max(holders, 2),
                "round_left": 11,
                "refused": 11,
                "accepted": 11,
            },
            hidden=self.settings.holder_hidden,
            actions=len(MARKUPS),
        )

    def learn(self, steps: int, *, progress: str | None = None) -> HierarchicalDQN:
        """Train; each call runs through the schedules of exploration and step size once.

        Args:
            steps: interaction budget in holder decisions, the same for all that is compared.
                Whole episodes of all markets are played, as many as the budget pays for.
            progress: show a progress bar with this text; None shows none.

        Returns:
            The trainer itself.

        Raises:
            OptionError: the budget is too small for one episode in every market.
        """
        tables, settings = self._market.tables, self.settings
        per_batch = self._market.n * tables.rounds * tables.holders
        batches = steps // per_batch
        if batches < 1:
            raise OptionError(f"steps must be at least {per_batch}, one batch, not {steps}")
        self.budget = steps
        with tqdm(
            total=batches * per_batch, desc=progress, disable=progress is None, unit="step"
        ) as bar:
            for batch in range(batches):
                done = batch / batches
                self._set_epsilon(done)
                records = collect(self._market, self._rng, self._round, self._holder)
                self.steps += per_batch
                levels = (
                    (self._round, records[0], settings.round_steps, settings.round_replay),
                    (self._holder, records[1], settings.holder_steps, settings.holder_replay),
                )
                for actor, record, n_steps, replay in levels:
                    if isinstance(actor, Explorer):
                        self._store(actor.model, record, n_steps)
                        if done >= _WARM_UP and actor.model.replay_buffer.size() > 0:
                            uses = replay * float(record.lengths.sum())
                            self._update(actor.model, uses, 1.0 - done)
                bar.update(per_batch)
                bar.set_postfix(quality=f"{self._market.quality.mean():.3f}", refresh=False)
        return self

    def _set_epsilon(self, done: float) -> None:
        settings = self.settings
        left = max(1.0 - done / settings.exploration, 0.0)
        epsilon = np.full(settings.markets, max(left, settings.final_epsilon))
        both = isinstance(self._round, Explorer) and isinstance(self._holder, Explorer)
        calm = np.arange(settings.markets) < round(settings.calm * settings.markets)
        for actor, its_turn in ((self._round, calm), (self._holder, ~calm)):
            if isinstance(actor, Explorer):
                alone = both and done >= _WARM_UP
                actor.epsilon = np.where(its_turn, epsilon, 0.0) if alone else epsilon

    def _store(self, model: MaskableDQN, record: Record, n_steps: int) -> None:
        new = multi_step(record, n_steps)
        model.replay_buffer.add_batch(
            new.observations,
            new.next_observations,
            new.actions,
            new.returns * self.settings.reward_scale,
            new.dones,
            new.next_masks,
        )

    def _update(self, model: MaskableDQN, uses: float, progress_left: float) -> None:
        settings = self.settings
        update_learning_rate(model.policy.optimizer, settings.learning_rate * progress_left)
        model.policy.set_training_mode(True)
        for _ in range(max(round(uses / settings.batch_size), 1)):
            model.gradient_step(model.replay_buffer.sample(settings.batch_size))
            polyak_update(model.q_net.parameters(), model.q_net_target.parameters(), settings.tau)

    def policies(self, provenance: dict[str, Any] | None = None) -> tuple[Policy, Policy]:
        """Return the greedy policies as they are now.

        Args:
            provenance: what the policy files shall say about their origin, JSON values only.

        Returns:
            The round and the holder policy; a given policy is returned as it was given.
        """
        found = provenance or {}
        return self._policy("round", self._round, found), self._policy(
            "holder", self._holder, found
        )

    def _policy(self, level: Level, actor: Explorer | Fixed, provenance: dict[str, Any]) -> Policy:
        if isinstance(actor, Fixed):
            return actor.policy
        card = replace(self._card(level), provenance=provenance)
        return QPolicy(card, actor.model.q_net.q_net.state_dict())


class _BinsExtractor(BaseFeaturesExtractor):
    """The bins of a network's card as SB3's features extractor."""

    def __init__(self, observation_space: spaces.Box, card: PolicyCard) -> None:
        bins = Bins(card.features, card.bins)
        super().__init__(observation_space, bins.width)
        self.bins = bins

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Append the bins, as `Bins` does."""
        appended: torch.Tensor = self.bins(observation)
        return appended
