"""On how many steps the policies of a table were trained; budgets that are not equal are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa

from copyright_gym.errors import OptionError

_EQUAL = 1.01
"""Trainings end with whole batches, and cards of policy files tell where: not quite the budget."""


def training_steps(rows: pa.Table) -> dict[str, int]:
    """Tell on how many holder decisions policies were trained, themselves or in their files.

    Args:
        rows: what `read_grid` returned.

    Returns:
        The steps by policy; without policies that were not trained.

    Raises:
        OptionError: trainings of one policy have different budgets.
    """
    found: dict[str, set[int]] = {}
    for policy, steps in zip(
        rows["policy"].to_pylist(), rows["training_steps"].to_pylist(), strict=True
    ):
        if steps:
            found.setdefault(policy, set()).add(steps)
    for policy, budgets in found.items():
        if not _equal(budgets):
            told = " and ".join(f"{count:,}" for count in sorted(budgets))
            raise OptionError(
                f"trainings of {policy!r} have {told} steps, which have no common mean: a folder "
                "takes one --steps; remove the cells of the others, or use another NAME or --out"
            )
    return {policy: max(budgets) for policy, budgets in found.items()}


def budget_notes(steps: Mapping[str, int]) -> list[str]:
    """Tell which policies were trained on how much, if that is not the same for all.

    Args:
        steps: what `training_steps` returned.

    Returns:
        One sentence, or none.
    """
    if _equal(steps.values()):
        return []
    told = ", ".join(f"{policy} {count:,}" for policy, count in sorted(steps.items()))
    return [f"Not trained on equally many steps (holder decisions): {told}."]


def _equal(budgets: Collection[int]) -> bool:
    return not budgets or max(budgets) <= _EQUAL * min(budgets)
