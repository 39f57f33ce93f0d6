"""A masked DQN for offers: values apart for the two answers, and the chance of either.

An offer is accepted or refused, and what follows depends on which. A plain Q-network has to learn
Q(s, a) from returns that mix both. Here one network learns the chance p(s, a) that the offer is
accepted, from the answers, and another the value after each answer, from those returns alone that
followed it:

    Q(s, a) = p(s, a) * Q_accepted(s, a) + (1 - p(s, a)) * Q_refused(s, a)

So the luck of the answer is no noise in the returns, and what the answers tell of prices is learned
as a classification.

Source: our reconstruction, after afterstates (Sutton and Barto 2018, section 6.8) and the chance
nodes of stochastic planning (Antonoglou et al. 2022).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch.nn import functional

from copyright_gym.agents.maskable_dqn import MaskableDQN
from copyright_gym.agents.outcome_values import OutcomeValues
from copyright_gym.agents.replay import MaskedSamples


class _OutcomePolicy(DQNPolicy):
    def make_q_net(self) -> QNetwork:
        network = super().make_q_net()
        layers = OutcomeValues(network.features_dim, network.net_arch, int(network.action_space.n))
        network.q_net = layers  # type: ignore[assignment]  # SB3 only calls it
        return network.to(self.device)


class OutcomeDQN(MaskableDQN):
    """MaskableDQN with an `OutcomeValues` network.

    For training loops that fill the replay buffer themselves: an action in it is `a` if the offer
    was refused or none was made, and `a + k` if it was accepted, with k actions in all.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": _OutcomePolicy}

    def gradient_loss(self, batch: MaskedSamples) -> torch.Tensor:
        """Compute the Huber loss of the value after the answer, plus the answers' log loss.

        Args:
            batch: Transitions, actions by answer.

        Returns:
            The loss, a scalar.
        """
        answers = self.q_net.q_net
        assert isinstance(answers, OutcomeValues)
        features = self.q_net.extract_features(batch.observations, self.q_net.features_extractor)
        logits, values = answers.parts(features)
        actions = logits.shape[1]
        of_values = functional.smooth_l1_loss(
            values.gather(1, batch.actions), self.td_target(batch)
        )
        offered = batch.actions % actions
        of_answers = functional.binary_cross_entropy_with_logits(
            logits.gather(1, offered), (batch.actions >= actions).float(), reduction="none"
        )
        # Nobody answers where nothing is offered.
        return of_values + (of_answers * (offered > 0)).mean()

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            "OutcomeDQN cannot learn from an environment, which does not tell answers: train it "
            "with HierarchicalDQN, or use MaskableDQN"
        )
