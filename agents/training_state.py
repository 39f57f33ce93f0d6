"""A training between two batches of episodes, in one safetensors file: no pickle.

A training that goes on from the file ends with the same bits as one that was never interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from copyright_gym.agents.maskable_dqn import MaskableDQN
from copyright_gym.errors import OptionError
from copyright_gym.policies import Level
from copyright_gym.whole_file import write_whole

_STATE = "training"
_BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "next_masks")

Tensors = dict[str, torch.Tensor]


def save_state(
    path: Path,
    models: Mapping[Level, MaskableDQN],
    rng: np.random.Generator,
    facts: Mapping[str, Any],
    progress: Mapping[str, Any],
) -> None:
    """Write the state of a training through a temporary file next to it.

    Args:
        path: the file.
        models: the learners by level.
        rng: the generator that the whole training draws from.
        facts: JSON values that tell this training from others.
        progress: JSON values that say how far it is.
    """
    tensors: Tensors = {}
    replay = {}
    for level, model in models.items():
        tensors |= {f"{level}/{name}": tensor for name, tensor in _tensors(model).items()}
        buffer = model.replay_buffer
        replay[level] = [buffer.pos, buffer.full, buffer.rng.bit_generator.state]
    state = {
        "facts": facts,
        "progress": progress,
        "rng": rng.bit_generator.state,
        "replay": replay,
    }
    write_whole(path, save(tensors, metadata={_STATE: json.dumps(state, sort_keys=True)}))


def load_state(
    path: Path,
    models: Mapping[Level, MaskableDQN],
    rng: np.random.Generator,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Continue from a file of `save_state`; learners and generator take its state over.

    Args:
        path: the file.
        models: learners that are set up as those that were saved.
        rng: the generator of the training.
        facts: as in `save_state`.

    Returns:
        The progress.

    Raises:
        OptionError: the file is damaged, or of another training.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()[_STATE])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise OptionError(
            f"{path} is damaged ({error}); remove it to train from the start"
        ) from error
    wanted = json.loads(json.dumps(facts))
    other = [name for name in wanted if state["facts"].get(name) != wanted[name]]
    if other:
        raise OptionError(
            f"{path} is of another training: {', '.join(other)} differ; remove it to train from "
            "the start, or write to another folder"
        )
    for level, model in models.items():
        start = f"{level}/"
        _restore(
            model, {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}
        )
        buffer = model.replay_buffer
        buffer.pos, buffer.full, buffer.rng.bit_generator.state = state["replay"][level]
    rng.bit_generator.state = state["rng"]
    progress: dict[str, Any] = state["progress"]
    return progress


def _tensors(model: MaskableDQN) -> Tensors:
    """Return weights, moments of the optimiser, and what the replay buffer holds."""
    found = {f"policy/{name}": tensor for name, tensor in model.policy.state_dict().items()}
    for i, moments in model.policy.optimizer.state_dict()["state"].items():
        found |= {f"optimizer/{i}/{name}": tensor for name, tensor in moments.items()}
    buffer = model.replay_buffer
    for name in _BUFFER:
        found[f"replay/{name}"] = torch.from_numpy(getattr(buffer, name)[: buffer.size()])
    return {name: tensor.contiguous() for name, tensor in found.items()}


def _restore(model: MaskableDQN, tensors: Tensors) -> None:
    parts: dict[str, Tensors] = {"policy": {}, "optimizer": {}, "replay": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    model.policy.load_state_dict(parts["policy"])
    moments: dict[int, Tensors] = {}
    for name, tensor in parts["optimizer"].items():
        i, _, moment = name.partition("/")
        moments.setdefault(int(i), {})[moment] = tensor
    optimizer = model.policy.optimizer
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    for name, tensor in parts["replay"].items():
        getattr(model.replay_buffer, name)[: len(tensor)] = tensor.numpy()
