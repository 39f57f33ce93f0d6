"""Published weights that must lie on this machine before a network is built.

The libraries would download them unasked; this package touches the network only when told to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from copyright_gym.errors import MissingWeightsError

WEIGHTS: Final = {
    "Inception-v3": "weights-inception-2015-12-05-6726825d.pth",
    "AlexNet": "alexnet-owt-7be5be79.pth",
    "VGG-16": "vgg16-397923af.pth",
    "SqueezeNet": "squeezenet1_1-b8a52dc0.pth",
}


def require_weights(network: str) -> None:
    """Check that a network's weights are in the torch hub's checkpoint folder.

    Args:
        network: A key of `WEIGHTS`.

    Raises:
        MissingWeightsError: They are not there; the message names the file and the folder.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS[network]
    if not path.is_file():
        raise MissingWeightsError(
            f"the weights of {network} are not on this machine: put the file {path.name} into "
            f"{path.parent}, or use 'efficientnet-lite0', which needs no download"
        )
