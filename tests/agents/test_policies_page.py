"""docs/policies.md names all policies, with the defaults that they have."""

import inspect
import re
from pathlib import Path

import pytest

from copyright_gym import policies
from copyright_gym.agents.training import METHOD
from copyright_gym.benchmarks.contestant_names import GROUPS
from copyright_gym.policies import LEVELS, Level

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
CODE = re.compile(r"`([^`]+)`")


def names(column: int, *levels: str) -> list[str]:
    return [name for row in ROWS if row[1] in levels for name in CODE.findall(row[column])]


@pytest.mark.parametrize("level", LEVELS)
def test_all_registered_policies_are_there(level: Level) -> None:
    # Other tests may have registered policies of their own.
    own = {name for (at, name), made in policies._registry.items() if at == level and is_ours(made)}
    trained = {"ppo", "sac"} if level == "joint" else set()
    assert sorted(names(0, level)) == sorted(own | trained)


def is_ours(factory: object) -> bool:
    return isinstance(factory, str) and factory.startswith("copyright_gym.")


def test_all_contestants_are_there() -> None:
    expected = {METHOD, *(name for group in GROUPS.values() for name in group)}
    assert set(names(0, "pair", "joint")) - {"random", "oracle"} == expected
    assert len(names(0, "pair")) == len(set(names(0, "pair")))


@pytest.mark.parametrize("row", [row for row in ROWS if row[5] == "no" and row[1] in LEVELS])
def test_parameters_have_their_defaults(row: list[str]) -> None:
    (name,) = CODE.findall(row[0])
    factory = policies._registry[row[1], name]
    assert isinstance(factory, str)
    options = inspect.signature(policies.load_attribute(factory)).parameters
    expected = [f"`{key}` ({option.default})" for key, option in options.items() if key != "config"]
    assert row[4] == (", ".join(expected) or "–")
    assert ("config" in options) == (row[3] != "observation")
