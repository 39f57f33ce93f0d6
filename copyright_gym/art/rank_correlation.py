"""Correlations of columns; light to import."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ranks(values: Floats) -> Floats:
    """Return the ranks down each column of (n, ...) values, from 1; equal ones share their mean."""
    above = (values[:, None] > values[None]).sum(axis=1)
    equal = (values[:, None] == values[None]).sum(axis=1)
    return np.asarray(above + (equal + 1) / 2)


def spearman(first: Floats, second: Floats) -> Floats:
    """Return the Spearman correlation of each column; (n, m) twice, gives (m,)."""
    return pearson(ranks(first), ranks(second))


def pearson(first: Floats, second: Floats) -> Floats:
    """Return the Pearson correlation of each column; (n, m) twice, gives (m,).

    A column without variation correlates with nothing: 0.
    """
    centred = [x - x.mean(axis=0) for x in (first, second)]
    norms = np.sqrt(np.square(centred[0]).sum(axis=0) * np.square(centred[1]).sum(axis=0))
    products = (centred[0] * centred[1]).sum(axis=0)
    zeros = np.zeros_like(products)
    return np.asarray(np.divide(products, norms, out=zeros, where=norms > 0))
