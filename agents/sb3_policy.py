"""Any Stable-Baselines3 model as a policy of this package."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PolicyError, listed
from copyright_gym.policies import LEVELS, Level


class SB3Policy:
    """Asks the model for its deterministic action.

    Models that take `action_masks` (MaskableDQN, sb3-contrib's MaskablePPO) get the mask. Any
    other model's illegal choice falls to the highest legal action below it: masks forbid what
    costs the same as a lower action, so both mean the same offer. A recurrent model
    (sb3-contrib's RecurrentPPO) keeps its state from step to step of an episode.

    Args:
        model: The trained model.
        level: "round", "holder" or "joint".
        order: Visiting order that a holder policy asks for, or None.
    """

    def __init__(self, model: Any, level: Level, order: str | None = None) -> None:
        if level not in LEVELS:
            raise PolicyError(f"unknown level {level!r}; known: {listed(LEVELS)}")
        self.model = model
        self.level: Level = level
        self.order = order
        self.stateless = not hasattr(getattr(model, "policy", None), "lstm_actor")
        self._state: tuple[NDArray[Any], ...] | None = None
        self._masked = "action_masks" in inspect.signature(model.predict).parameters

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes.

        Args:
            n: Number of markets.
            rng: Not used; the model plays deterministically.
        """
        self._state = None

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose an action for each market.

        Args:
            observation: float32 (n, d).
            mask: bool (n, k), True where legal; not used at level "joint".

        Returns:
            int64 (n,); at level "joint" float32 (n, 1 + H).
        """
        given = {"action_masks": mask} if self._masked else {}
        actions, self._state = self.model.predict(
            observation, state=self._state, deterministic=True, **given
        )
        if self._masked:
            return np.asarray(actions)
        if self.level == "joint":
            return np.asarray(actions)
        allowed = mask & (np.arange(mask.shape[1]) <= np.asarray(actions)[:, None])
        legal: NDArray[np.int64] = mask.shape[1] - 1 - allowed[:, ::-1].argmax(axis=1)
        return legal


def from_sb3(model: Any, level: Level, order: str | None = None) -> SB3Policy:
    """Adapt a Stable-Baselines3 model.

    Args:
        model: A model of stable-baselines3 or sb3-contrib, trained on one of the environments.
        level: "round" for RoundBudget, "holder" for HolderAllocation, "joint" for
            JointAllocation.
        order: Visiting order that a holder policy asks for, or None.

    Returns:
        A policy for `copyright_gym.rollout.play`.

    Raises:
        PolicyError: If the level is unknown.
    """
    return SB3Policy(model, level, order)
