"""The trained networks of flat learners: kept as plain arrays, and played in NumPy."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PolicyError
from copyright_gym.policies import Level

Arrays = dict[str, NDArray[Any]]


class NetworkPolicy:
    """A trained multi-layer perceptron, played without exploration.

    Args:
        arrays: `algorithm`, `settings` of the training as JSON, and `weight` and `bias` of each
            layer by number, as "0.weight".

    Attributes:
        settings: those of the training in which it differs from the library's defaults.
        holders: number of holders that it must play with; None for any.
    """

    order: str | None = None
    stateless: ClassVar[bool] = True

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.algorithm = str(arrays["algorithm"])
        # Files of earlier versions have no settings.
        self.settings: dict[str, Any] = json.loads(str(arrays.get("settings", "{}")))
        self.level: Level = "holder" if self.algorithm == "dqn" else "joint"
        count = sum(name.endswith(".weight") for name in arrays)
        self._layers = [(arrays[f"{i}.weight"], arrays[f"{i}.bias"]) for i in range(count)]
        outputs = len(self._layers[-1][1])
        self.holders = outputs - 1 if self.level == "joint" else None

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Do nothing: the policy has no state."""

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose the mean action, or the legal action of highest value."""
        x = observation
        for number, (weight, bias) in enumerate(self._layers):
            x = x @ weight.T + bias
            if number < len(self._layers) - 1:
                x = np.tanh(x) if self.algorithm == "ppo" else np.maximum(x, 0)
        if self.algorithm == "dqn":
            return np.asarray(np.where(mask, x, -np.inf).argmax(axis=1))
        bounded = np.clip(x, -1, 1) if self.algorithm == "ppo" else np.tanh(x)
        return bounded.astype(np.float32)

    def data(self) -> bytes:
        """Return the arrays as the bytes of an npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self.arrays)
        return buffer.getvalue()


def load_network(path: str | Path) -> NetworkPolicy:
    """Read what `NetworkPolicy.data` gave.

    Args:
        path: the file.

    Returns:
        The policy.

    Raises:
        PolicyError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return NetworkPolicy(dict(file))
    except (OSError, KeyError, ValueError) as error:
        raise PolicyError(f"{path} is no file of a flat policy: {error}") from error
