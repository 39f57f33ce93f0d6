"""The errors that this package raises itself."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any


class CopyrightGymError(Exception):
    """Base class of all errors of this package."""


class PackError(CopyrightGymError):
    """A pack is unknown, damaged, incomplete or made by a newer version of this package."""


class OptionError(CopyrightGymError, ValueError):
    """An option has the wrong type, is out of range or is unknown."""


class PolicyError(CopyrightGymError, ValueError):
    """A policy is unknown, or its level does not fit the place where it is used."""


class BuildError(CopyrightGymError):
    """The build of a pack can't go on; what is finished is kept, and the same command goes on."""


class MissingWeightsError(CopyrightGymError, FileNotFoundError):
    """Published weights of a network are needed and not on this machine."""


class MissingWorksError(CopyrightGymError, FileNotFoundError):
    """Works of a data set are needed and not on this machine."""


class CacheError(CopyrightGymError, OSError):
    """The folder that keeps finished work cannot be used."""


class MissingExtraError(CopyrightGymError, ImportError):
    """A library is missing that one of the optional extras installs."""


def listed(names: Iterable[str]) -> str:
    """Join names for an error message.

    Args:
        names: the names, in any order.

    Returns:
        The sorted names separated by commas, or "none".
    """
    return ", ".join(sorted(names)) or "none"


def load_attribute(reference: str, extra: str = "agents") -> Any:
    """Import the object that a string refers to.

    Args:
        reference: a string of the form "module:attribute".
        extra: the extra of this package to recommend when a library is missing.

    Returns:
        The attribute of the module.

    Raises:
        MissingExtraError: a library outside this package is not installed.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"{reference} needs the library {error.name!r}, which is not installed; "
            f'install it with: pip install "copyright-gym[{extra}]"'
        ) from error
