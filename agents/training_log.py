"""A log of a training for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.logger import Logger, configure

from copyright_gym.errors import load_attribute


def training_log(folder: Path) -> Logger:
    """Open a log; a folder may hold several.

    Args:
        folder: where TensorBoard shall look.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """
    load_attribute("torch.utils.tensorboard:SummaryWriter", extra="tensorboard")
    return configure(str(folder), ["tensorboard"])
