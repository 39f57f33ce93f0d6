"""The report of `validate surrogate`: forms of surrogate on a pack's stored corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from copyright_gym.art.measured import corpus_rows
from copyright_gym.art.surrogate_fit import fit_surrogate
from copyright_gym.art.surrogate_forms import compare_forms
from copyright_gym.pack import load_pack


def validate_surrogate(folder: Path) -> dict[str, Any]:
    """Fit all forms to the stored corpus again and report their errors on held-out histories.

    Nothing is fine-tuned and nothing is written.

    Args:
        folder: The pack's folder.

    Returns:
        The report of `fit_surrogate` with `pack`, `histories` and `forms`, JSON-safe.

    Raises:
        PackError: If the pack holds no corpus.
    """
    pack = load_pack(folder)
    rows = corpus_rows(pack)
    # More threads gain little on matrices this small, and lose minutes where cores are busy.
    with threadpool_limits(limits=1):
        _, report = fit_surrogate(rows)
        forms = compare_forms(rows)
    return {
        "pack": pack.name,
        **report,
        "histories": len(np.unique(rows.group)),
        "forms": forms,
    }
