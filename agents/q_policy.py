"""A trained Q-network as a policy, and its file: safetensors with a JSON card, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from copyright_gym.agents.bins import Bins
from copyright_gym.agents.memory import memory_for, remembered
from copyright_gym.agents.outcome_values import OutcomeValues, perceptron
from copyright_gym.errors import PolicyError
from copyright_gym.policies import Level
from copyright_gym.whole_file import write_whole

_CARD = "card"
_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class PolicyCard:
    """What a policy file says about its network.

    Attributes:
        level: "round" or "holder".
        order: Visiting order that a holder policy asks for, or None.
        features: Names of the observation's columns, in order.
        bins: Number of bins of the columns that are spread over bins; see `Bins`.
        hidden: Widths of the hidden layers (ReLU between layers).
        outcomes: Whether values are told apart by the answer to an offer; see `OutcomeValues`.
        actions: Number of actions.
        provenance: Where the weights come from: command, seed, pack, its checksum and so on.
            JSON values only.
    """

    level: Level
    order: str | None
    features: tuple[str, ...]
    bins: dict[str, int]
    hidden: tuple[int, ...]
    outcomes: bool
    actions: int
    provenance: dict[str, Any] = field(default_factory=dict)


class ValueNetwork(nn.Module):
    """Q-values of all actions: bins, then a perceptron or `OutcomeValues`.

    Args:
        card: widths and columns of the network.
    """

    def __init__(self, card: PolicyCard) -> None:
        super().__init__()
        self.bins = Bins(card.features, card.bins)
        make = OutcomeValues if card.outcomes else perceptron
        self.layers = make(self.bins.width, card.hidden, card.actions)

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Compute Q-values.

        Args:
            observation: float32 (n, d).

        Returns:
            float32 (n, k).
        """
        values: torch.Tensor = self.layers(self.bins(observation))
        return values


class QPolicy:
    """Plays the legal action with the highest Q-value; needs no random numbers.

    If its network has columns of a `Memory`, the policy remembers; otherwise it is stateless.

    Attributes:
        holders: number of holders that it remembers and must play with; None if it remembers none.

    Args:
        card: Description of the network.
        weights: Weights of its `layers`, named as in SB3's DQN, for example "0.weight".

    Raises:
        PolicyError: If the weights do not fit the card.
    """

    def __init__(self, card: PolicyCard, weights: Mapping[str, torch.Tensor]) -> None:
        self.card = card
        self.level: Level = card.level
        self.order: str | None = card.order
        self.network = ValueNetwork(card).eval()
        self._memory = memory_for(card.features)
        self.stateless = self._memory is None
        self.holders = self._memory.width // len(remembered(1)) if self._memory else None
        try:
            self.network.layers.load_state_dict(weights)
        except RuntimeError as error:
            raise PolicyError(f"the weights do not fit the network {card}: {error}") from error

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes.

        Args:
            n: Number of markets.
            rng: Not used.
        """
        if self._memory:
            self._memory.reset(n)

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose the best legal action of each market.

        Args:
            observation: float32 (n, d).
            mask: bool (n, k), True where legal.

        Returns:
            int64 (n,).

        Raises:
            PolicyError: If the observation has other columns than the network was trained on.
        """
        columns = len(self.card.features) - (self._memory.width if self._memory else 0)
        if observation.shape[1] != columns:
            raise PolicyError(
                f"this {self.level} policy was trained on {columns} columns, "
                f"the observation has {observation.shape[1]}"
            )
        if self._memory:
            observation = self._memory.recall(observation)
        with torch.no_grad():
            values = self.network(torch.as_tensor(observation, dtype=torch.float32))
        best: NDArray[np.int64] = np.where(mask, values.numpy(), -np.inf).argmax(axis=1)
        return best

    def save(self, path: str | Path) -> Path:
        """Write weights and card to one file, through a temporary file next to it.

        The same policy gives the same bytes.

        Args:
            path: The file, usually `*.safetensors`. Its folder is created.

        Returns:
            The file.
        """
        target = Path(path)
        card = json.dumps({"schema_version": _SCHEMA_VERSION, **asdict(self.card)}, sort_keys=True)
        write_whole(target, save(self.network.layers.state_dict(), metadata={_CARD: card}))
        return target


def load_q_policy(path: str | Path, level: Level | None = None) -> QPolicy:
    """Read a policy file.

    Args:
        path: A file written by `QPolicy.save`.
        level: Where the policy shall decide; None takes any.

    Returns:
        The policy.

    Raises:
        PolicyError: If the file is missing, damaged, made by a newer version, or of another level.
    """
    source = Path(path)
    if not source.is_file():
        raise PolicyError(f"no policy file at {source}")
    try:
        with safe_open(source, framework="pt") as file:
            data = json.loads((file.metadata() or {})[_CARD])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if data["schema_version"] > _SCHEMA_VERSION:
            raise PolicyError(
                f"{source} was written by a newer version of copyright-gym; upgrade the package"
            )
        card = PolicyCard(
            level=data["level"],
            order=data["order"],
            features=tuple(data["features"]),
            bins=dict(data["bins"]),
            hidden=tuple(data["hidden"]),
            outcomes=data["outcomes"],
            actions=data["actions"],
            provenance=data["provenance"],
        )
        if level not in (None, card.level):
            raise PolicyError(f"{source} is a {card.level} policy, not a {level} policy")
        return QPolicy(card, weights)
    except PolicyError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"{source} is not a policy file or is damaged: {error}") from error
