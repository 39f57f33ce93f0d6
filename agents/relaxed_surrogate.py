"""The surrogate over parts of lots, with its slopes, for gradient ascent."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from copyright_gym.errors import OptionError
from copyright_gym.exposure_surrogate import ExposureSurrogate
from copyright_gym.pack import Pack

Floats = NDArray[np.float64]

# Where next to nothing is bought, shares are parts of this many lots.
_LEAST_LOTS = 1e-6


class RelaxedSurrogate:
    """`ExposureSurrogate` with lots bought in part; whole lots give its quality.

    Args:
        pack: the pack.
        holders: number of the pack's holders H in the market, its first ones.

    Raises:
        OptionError: the pack's surrogate has another form than "exposure".
    """

    def __init__(self, pack: Pack, holders: int) -> None:
        surrogate = pack.surrogate
        if not isinstance(surrogate, ExposureSurrogate):
            raise OptionError(
                f"gradient ascent needs a surrogate of the form 'exposure'; "
                f"that of the pack {pack.name!r} is a {type(surrogate).__name__}"
            )
        self._rounds, self._log_fade = surrogate.rounds, float(np.log(surrogate.fade))
        self._shares, self._exposures, self._bias, self._out = map(
            torch.tensor,
            (surrogate.shares[:holders], surrogate.exposures[:holders], surrogate.bias,
             surrogate.out),
        )  # fmt: skip

    def quality_and_slopes(self, parts: Floats) -> tuple[Floats, Floats]:
        """Return the quality and its slopes.

        Args:
            parts: float64 (n, T, H), the part of each lot that is bought, in [0, 1].

        Returns:
            float64 (n,), the quality; float64 (n, T, H), its derivative by each part.
        """
        lots = torch.from_numpy(parts).requires_grad_()
        counts = torch.zeros_like(lots[:, 0])
        shares, exposure = counts, counts
        for of_round in lots.unbind(1):
            new = of_round.sum(1, keepdim=True)
            counts = counts + of_round
            shares = counts / counts.sum(1, keepdim=True).clamp(min=_LEAST_LOTS)
            exposure = exposure * torch.exp(self._log_fade * new) + new * shares
        hidden = self._bias + shares @ self._shares + exposure @ self._exposures / self._rounds
        change = hidden / (1 + hidden.abs()) - self._bias / (1 + self._bias.abs())
        quality = change @ self._out
        (slopes,) = torch.autograd.grad(quality.sum(), lots)
        return quality.detach().numpy(), slopes.numpy()
