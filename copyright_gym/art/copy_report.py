"""The figures of copy detection, from stored scores of trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from copyright_gym.art.copy_measures import PARTS, PLAIN
from copyright_gym.art.copy_trials import NEGATIVES, SAME_PICTURE
from copyright_gym.art.detection import Statistic, auc, bootstrap, interval, true_positive_rate

Values = NDArray[np.float64]

WEIGHTS: Final = tuple(step / 10 for step in range(11))
LEAST_STRENGTH: Final = 0.25  # copies weaker than this aren't counted in the overall figures
_HALF: Final = 0.5


@dataclass(frozen=True)
class HolderScores:
    """Scores of trials of n works: k candidates each, c of them copies.

    Attributes:
        transforms: (c,) transform of each copy.
        strengths: (c,) strength of each copy.
        kinds: (k - c, n) kind of each negative, see `Trials`.
        scores: (k, n) by measure.
    """

    transforms: NDArray[np.str_]
    strengths: Values
    kinds: NDArray[np.str_]
    scores: Mapping[str, Values]

    @staticmethod
    def load(path: Path) -> HolderScores:
        """Read what `validate copyright` stored."""
        with np.load(path) as stored:
            return HolderScores(
                stored["transforms"],
                stored["strengths"],
                stored["kinds"],
                {name: stored[name] for name in (*PARTS, *PLAIN)},
            )


class Split:
    """All holders' trials of one split, work by work.

    Args:
        holders: Scores by holder, with the same copies.
    """

    def __init__(self, holders: Sequence[HolderScores]) -> None:
        """Join the works of all holders."""
        self.transforms, self.strengths = holders[0].transforms, holders[0].strengths
        count = len(self.strengths)
        self.works = sum(part.kinds.shape[1] for part in holders)
        names = holders[0].scores
        self._copies = {
            name: np.concatenate([part.scores[name][:count] for part in holders], axis=1)
            for name in names
        }
        # Holders may have differing numbers of negatives, so each work keeps its own lists.
        self._kinds = [column for part in holders for column in part.kinds.T]
        self._negatives = {
            name: [column for part in holders for column in part.scores[name][count:].T]
            for name in names
        }

    def copies(self, weights: Mapping[str, float]) -> Values:
        """Return the (c, works) weighted scores of all copies."""
        return np.asarray(sum(weight * self._copies[name] for name, weight in weights.items()))

    def negatives(
        self, weights: Mapping[str, float], kinds: Sequence[str] = NEGATIVES
    ) -> list[Values]:
        """Return each work's scores of the negatives of these kinds."""
        return [
            np.asarray(
                sum(weight * self._negatives[name][work] for name, weight in weights.items())
            )[np.isin(of_kind, kinds)]
            for work, of_kind in enumerate(self._kinds)
        ]

    def count_of(self, kind: str) -> int:
        """Return how many trials are of this kind."""
        return int(sum((kinds == kind).sum() for kinds in self._kinds))


def copy_report(scores: Mapping[str, Sequence[HolderScores]], draws: int) -> dict[str, Any]:
    """Choose the weight on validation works; report all figures on test works.

    Args:
        scores: Scores by split and holder.
        draws: Bootstrap draws.
    """
    validation, test = Split(scores["validation"]), Split(scores["test"])
    metric = dict.fromkeys(PARTS, _HALF)
    measures = {"copyright metric": metric, **{name: {name: 1.0} for name in (*PARTS, *PLAIN)}}
    rows = compared(test, measures, draws)
    for name, weights in measures.items():
        rows[name]["validation_auc"] = _auc(validation, weights)
    sweep = [
        {"a": a, "validation_auc": _auc(validation, pair), "test_auc": _auc(test, pair)}
        for a in WEIGHTS
        for pair in [dict(zip(PARTS, (a, 1 - a), strict=True))]
    ]
    return {
        "works": {"validation": validation.works, "test": test.works},
        "measures": rows,
        "transforms": _by_transform(test, metric, draws),
        "negatives": _by_negative(test, metric),
        "with_same_picture_as_negative": _auc(test, metric, (*NEGATIVES, SAME_PICTURE)),
        "weights": sweep,
        "chosen_a": max(sweep, key=lambda row: row["validation_auc"])["a"],
    }


def compared(
    split: Split, measures: Mapping[str, Mapping[str, float]], draws: int
) -> dict[str, dict[str, float]]:
    """Return the figures of each measure with intervals, and what the first gains on the others.

    Args:
        split: The works to report on.
        measures: Weights of scores by the measure's name.
        draws: Bootstrap draws.
    """
    everything = np.arange(split.works)
    rows: dict[str, dict[str, float]] = {}
    auc_draws: dict[str, Values] = {}
    for name, weights in measures.items():
        rows[name] = {}
        for figure, statistic in _statistics(split, weights).items():
            values = bootstrap(statistic, split.works, draws)
            if figure == "auc":
                auc_draws[name] = values
            rows[name][figure] = statistic(everything)
            rows[name][f"{figure}_low"], rows[name][f"{figure}_high"] = interval(values)
    first = next(iter(measures))
    for name in list(measures)[1:]:
        gain = interval(auc_draws[first] - auc_draws[name])
        rows[name]["metric_gain_low"], rows[name]["metric_gain_high"] = gain
    return rows


def _auc(split: Split, weights: Mapping[str, float], kinds: Sequence[str] = NEGATIVES) -> float:
    copies = split.copies(weights)[split.strengths >= LEAST_STRENGTH]
    return auc(copies.ravel(), np.concatenate(split.negatives(weights, kinds)))


def _bootstrap(copies: Values, negatives: Sequence[Values], draws: int) -> Values:
    def statistic(works: NDArray[np.int64]) -> float:
        return auc(copies[:, works].ravel(), np.concatenate([negatives[work] for work in works]))

    return bootstrap(statistic, copies.shape[1], draws)


def _statistics(split: Split, weights: Mapping[str, float]) -> dict[str, Statistic]:
    """Return the figures of a measure as functions of the works that count."""
    copies, negatives = split.copies(weights), split.negatives(weights)
    strong = copies[split.strengths >= LEAST_STRENGTH]

    def detection(figure: Callable[[Values, Values], float]) -> Statistic:
        return lambda works: figure(
            strong[:, works].ravel(), np.concatenate([negatives[work] for work in works])
        )

    def spearman(works: NDArray[np.int64]) -> float:
        strengths = np.repeat(split.strengths, len(works))
        return float(spearmanr(strengths, copies[:, works].ravel())[0])

    return {
        "auc": detection(auc),
        "tpr_at_1_percent_fpr": detection(true_positive_rate),
        "spearman": spearman,
    }


def _by_transform(split: Split, weights: Mapping[str, float], draws: int) -> list[dict[str, Any]]:
    negatives = split.negatives(weights)
    pooled = np.concatenate(negatives)
    rows = []
    for transform, strength, copies in zip(
        split.transforms, split.strengths, split.copies(weights), strict=True
    ):
        low, high = interval(_bootstrap(copies[None], negatives, draws))
        rows.append(
            {
                "transform": str(transform),
                "strength": float(strength),
                "score": float(copies.mean()),
                "auc": auc(copies, pooled),
                "auc_low": low,
                "auc_high": high,
                "tpr_at_1_percent_fpr": true_positive_rate(copies, pooled),
            }
        )
    return rows


def _by_negative(split: Split, weights: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for kind in (*NEGATIVES, SAME_PICTURE):
        count = split.count_of(kind)
        row: dict[str, Any] = {"count": count}
        if count:
            scores = np.concatenate(split.negatives(weights, [kind]))
            row |= {"score": float(scores.mean()), "auc": _auc(split, weights, [kind])}
        rows[kind] = row
    return rows
