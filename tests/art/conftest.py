from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny_studio import make_collection, make_pipeline, shared_studio

from copyright_gym.art.studio import Collection, Studio


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def pipeline() -> Any:
    return make_pipeline()


@pytest.fixture(scope="session")
def collection() -> Collection:
    return make_collection()


@pytest.fixture(scope="session")
def studio() -> Studio:
    return shared_studio()
