"""The hierarchical DQN: a round level and a holder level, trained jointly on one stream.

Each level is a `MaskableDQN`. The round level decides once a round, the holder level once per
holder, and its episode runs on over the rounds to the end; gamma is 1 at both. A level learns
only from stretches in which the other level played greedily, so that neither values a state by
what the other one's exploration made of it: in some of the markets only the round level
explores, in the others only the holder level.

The holder level learns values apart for accepted and for refused offers, see `OutcomeDQN`. Where
it explores, it also has habits for a whole episode, see `Habits`. It remembers what it saw of the
other holders, for their lots change what a lot is worth. The round level has none of these; its
observation sums a round up. At first the markets have more money than later.

With one level fixed to a given policy the same trainer makes the learned half of a baseline.

Source: the two levels as in arXiv:2410.20180; everything else is our reconstruction.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import update_learning_rate
from tqdm import tqdm

from copyright_gym.agents.bins import Bins
from copyright_gym.agents.collection import Explorer, Fixed, collect
from copyright_gym.agents.habits import Habits
from copyright_gym.agents.maskable_dqn import MaskableDQN
from copyright_gym.agents.memory import memory_for, remembered
from copyright_gym.agents.outcome_dqn import OutcomeDQN
from copyright_gym.agents.provenance import fixed_parameters, pack_fingerprint
from copyright_gym.agents.q_policy import PolicyCard, QPolicy
from copyright_gym.agents.settings import Settings
from copyright_gym.agents.traces import Record, by_round, multi_step
from copyright_gym.agents.training_log import training_log
from copyright_gym.agents.training_state import load_state, save_state
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
# Part of the exploration, its last, in which habits fade.
_FADING = 0.25
# Seconds between two writings of the state.
_KEPT_EVERY = 60.0


class HierarchicalDQN:
    """Trains both levels, or one of them against a given policy of the other.

    Args:
        config: options of the markets.
        seed: seed of weights, exploration and markets. Its markets are none that an evaluation
            with integer seeds meets.
        round_policy: name or policy; None learns this level. One that knows the budget of its
            market must be given by name, unless `settings.first_budget` is 1.
        holder_policy: likewise.
        settings: settings of the training.

    Attributes:
        steps: holder decisions seen so far.
        budget: the budget given to the last `learn`.
        curve: quality on the way, if somebody watches; see `WatchedDQN`.

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
        self.curve: list[tuple[int, float]] = []
        self._log: Logger | None = None
        self._market = Market(config, self.settings.markets)
        richer = replace(config, rho=config.rho * self.settings.first_budget)
        self._first_market = Market(richer, self.settings.markets)
        # Two words, of which the last is not 0: no integer seed of an evaluation gives this.
        self._rng = np.random.default_rng([seed, 1])
        self._given: dict[Level, str | Policy | None] = {
            "round": round_policy,
            "holder": holder_policy,
        }
        self._round = self._actor("round", round_policy)
        self._holder = self._actor("holder", holder_policy)
        # A policy that knows the market must know the richer one, too.
        self._first_round, self._first_holder = (
            Fixed(as_policy(policy, level, richer), self._rng) if policy is not None else actor
            for (level, policy), actor in zip(
                self._given.items(), (self._round, self._holder), strict=True
            )
        )

    def _actor(self, level: Level, policy: str | Policy | None) -> Explorer | Fixed:
        settings = self.settings
        if policy is not None:
            return Fixed(as_policy(policy, level, self.config), self._rng)
        card = self._card(level)
        tables = self._market.tables
        decisions = tables.rounds * (1 if level == "round" else tables.holders)
        low, high = bounds(card.features)
        model = (OutcomeDQN if card.outcomes else MaskableDQN).from_spaces(
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
        habits = None
        if level == "holder" and settings.habits > 0:
            habits = Habits(tables.holders, settings.habits, self._rng)
        memory = memory_for(card.features)
        return Explorer(model, self._rng, card.order, memory, settings.masked, habits)

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
                outcomes=False,
                actions=len(SHARES),
            )
        seen = holder_features(self.config.visible_expectations)
        return PolicyCard(
            level=level,
            order=self.settings.order,
            features=seen + (remembered(holders) if self.settings.remember else ()),
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
            outcomes=self.settings.outcomes,
            actions=len(MARKUPS),
        )

    def learn(
        self,
        steps: int,
        *,
        progress: str | None = None,
        state: Path | None = None,
        log: Path | None = None,
    ) -> HierarchicalDQN:
        """Train; each call runs through the schedules of exploration and step size once.

        Args:
            steps: interaction budget in holder decisions, the same for all that is compared.
                Whole episodes of all markets are played, as many as the budget pays for.
            progress: show a progress bar with this text; None shows none.
            state: file that the training is kept in, once a minute; if it exists, a new trainer
                with the same arguments goes on from there, with the same bits. None keeps none.
            log: folder for TensorBoard; None logs nothing.

        Returns:
            The trainer itself.

        Raises:
            OptionError: the budget is too small for one episode in every market, or the state is
                damaged or of another training.
            MissingExtraError: a log is asked for and TensorBoard is not installed.
        """
        tables, settings = self._market.tables, self.settings
        per_batch = self._market.n * tables.rounds * tables.holders
        batches = steps // per_batch
        if batches < 1:
            raise OptionError(f"steps must be at least {per_batch}, one batch, not {steps}")
        self.budget, self.curve = steps, []
        start = self._resume(state) if state and state.exists() else 0
        self._log = None if log is None else training_log(log)
        kept = time.monotonic()
        with tqdm(
            total=batches * per_batch,
            initial=start * per_batch,
            desc=progress,
            disable=progress is None,
            unit="step",
        ) as bar:
            for batch in range(start, batches):
                if state and time.monotonic() - kept > _KEPT_EVERY:
                    self._keep(state, batch)
                    kept = time.monotonic()
                done = batch / batches
                self._watch(done)
                self._explore(done)
                if done < settings.first_budget_until:
                    market, players = self._first_market, (self._first_round, self._first_holder)
                else:
                    market, players = self._market, (self._round, self._holder)
                rounds, offers = collect(market, self._rng, *players)
                if not settings.beyond_round:
                    offers = by_round(offers, tables.rounds)
                self.steps += per_batch
                levels: tuple[tuple[Level, Record, int, float], ...] = (
                    ("round", rounds, settings.round_steps, settings.round_replay),
                    ("holder", offers, settings.holder_steps, settings.holder_replay),
                )
                models = self._models()
                for level, record, n_steps, replay in levels:
                    if level in models:
                        self._store(models[level], record, n_steps)
                        if done >= _WARM_UP and models[level].replay_buffer.size() > 0:
                            uses = replay * float(record.lengths.sum())
                            loss = self._update(models[level], uses, 1.0 - done)
                            self._note(f"{level}/loss", loss)
                quality = float(market.quality.mean())
                self._note("quality", quality)
                if self._log:
                    self._log.dump(self.steps)
                bar.update(per_batch)
                bar.set_postfix(quality=f"{quality:.3f}", refresh=False)
            self._watch(1.0)
        if self._log:
            self._log.dump(self.steps)
            self._log.close()
        return self

    def _watch(self, done: float) -> None:
        """Do nothing; called before each batch, with the part that is done, and at the end."""

    def _models(self) -> dict[Level, MaskableDQN]:
        """Return the learners by level."""
        actors = self._actors().items()
        return {level: actor.model for level, actor in actors if isinstance(actor, Explorer)}

    def _actors(self) -> dict[Level, Explorer | Fixed]:
        return {"round": self._round, "holder": self._holder}

    def _facts(self) -> dict[str, Any]:
        """Return what tells this training from others."""
        return {
            "seed": self.seed,
            "steps": self.budget,
            "market": asdict(self.config) | {"pack": pack_fingerprint(self._market.tables.pack)},
            "settings": asdict(self.settings),
            "levels": {level: _named(policy) for level, policy in self._given.items()},
            "fixed": self.fixed,
        }

    @property
    def fixed(self) -> dict[str, int | float | str]:
        """Parameters of the policy at a level that is not trained, as "round.share"."""
        actors = self._actors().items()
        return fixed_parameters(
            {level: actor.policy for level, actor in actors if isinstance(actor, Fixed)}
        )

    def _keep(self, state: Path, batch: int) -> None:
        progress = {"batch": batch, "steps": self.steps, "curve": self.curve}
        save_state(state, self._models(), self._rng, self._facts(), progress)

    def _resume(self, state: Path) -> int:
        """Take a state over, and return the batch to go on with."""
        progress = load_state(state, self._models(), self._rng, self._facts())
        self.steps = progress["steps"]
        self.curve = [tuple(point) for point in progress["curve"]]
        return int(progress["batch"])

    def _note(self, name: str, value: float) -> None:
        if self._log:
            self._log.record(name, value)

    def _explore(self, done: float) -> None:
        """Set how much both levels explore."""
        settings = self.settings
        left = max(1.0 - done / settings.exploration, 0.0)
        epsilon = np.full(settings.markets, max(left, settings.final_epsilon))
        both = isinstance(self._round, Explorer) and isinstance(self._holder, Explorer)
        calm = np.arange(settings.markets) < round(settings.calm * settings.markets)
        for actor, its_turn in ((self._round, calm), (self._holder, ~calm)):
            if isinstance(actor, Explorer):
                alone = both and done >= _WARM_UP
                actor.epsilon = np.where(its_turn, epsilon, 0.0) if alone else epsilon
                actor.habitual = min(left / _FADING, 1.0)

    def _store(self, model: MaskableDQN, record: Record, n_steps: int) -> None:
        new = multi_step(record, n_steps)
        actions = new.actions
        if isinstance(model, OutcomeDQN):
            actions = actions + len(MARKUPS) * new.accepted
        model.replay_buffer.add_batch(
            new.observations,
            new.next_observations,
            actions,
            new.returns * self.settings.reward_scale,
            new.dones,
            new.next_masks,
        )

    def _update(self, model: MaskableDQN, uses: float, progress_left: float) -> float:
        """Make gradient steps; return the mean loss."""
        settings = self.settings
        update_learning_rate(model.policy.optimizer, settings.learning_rate * progress_left)
        model.policy.set_training_mode(True)
        losses = []
        for _ in range(max(round(uses / settings.batch_size), 1)):
            losses.append(model.gradient_step(model.replay_buffer.sample(settings.batch_size)))
            model.mix_target(settings.tau)
        return float(torch.stack(losses).mean())

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


def _named(policy: str | Policy | None) -> str:
    """Return a word for what plays a level."""
    if policy is None or isinstance(policy, str):
        return policy or "learned"
    return f"{type(policy).__module__}.{type(policy).__qualname__}"


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
