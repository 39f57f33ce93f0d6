"""The state of markets: their money, offers and purchases as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym import compiled
from copyright_gym.config import MarketConfig
from copyright_gym.exposure_histories import ExposureHistories
from copyright_gym.features import HOLDER_FEATURES, ROUND_FEATURES
from copyright_gym.quality import QualityModel, as_surrogate, make_quality, noise_of
from copyright_gym.routes import Routes, Stage
from copyright_gym.tables import FIRST_KNOWN_OF_ROUND, Tables, make_tables

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

QUALITY = HOLDER_FEATURES.index("quality")
BOUGHT = HOLDER_FEATURES.index("bought")

_NEW, _BETWEEN, _OFFERING, _VISITED, _DONE = map(int, Stage)

Rows = Ints | slice
ALL = slice(None)


class MarketState:
    """The state of n markets with the same options, as a struct of arrays.

    Money, payments and rewards are float64 throughout. The attributes are for reading. Where
    markets are the last axis, what is read together for all of them lies together in memory.

    Attributes:
        config: the options.
        tables: lots, base expectations and the budget B.
        n: number of markets.
        holders: number of holders H.
        routes: the stops of an episode.
        sheet: float64 (5, n): money left in the open round, money set aside for it, money left
            outside, number of its offers that were accepted, quality of the company's model.
        past: float64 (5, n), after the last round: money left, quality, its change in the
            round, part of the round's budget that was spent, number of offers accepted.
        seen: float32 (H, 3, n), what answers told: lots bought, highest refused and lowest
            accepted offer / base expectation / 2 (0 and 1 if none).
        round_budgets: float64 (n, T), money set aside for each round so far.
        factors: float64 (H, n), the holders' hidden factors. Policies must not see them.
        lot_offers: float64 (T * H, n), prices offered by lot, 0 where none.
        lot_bought: bool (T * H, n), lots bought.
        shocks: float64 (T, n), the z of the rounds' noise; (0, n) without the option `noise`.
        histories: the purchase histories of a model that is asked after every offer, or None.
        kernel: the compiled moves on these arrays, or None; see `copyright_gym.moves`.
    """

    def __init__(
        self, config: MarketConfig, n: int = 1, quality_model: QualityModel | None = None
    ) -> None:
        """Make n markets; they must be reset before use.

        Args:
            config: the options.
            n: number of markets.
            quality_model: replaces the one that `config.quality` names.

        Raises:
            PackError: the pack is unknown or damaged.
            OptionError: an option exceeds what the pack or the quality model has.
        """
        self.config = config
        self.tables: Tables = make_tables(config)
        self.n = n
        self.quality_model = quality_model or make_quality(config.quality, self.tables.pack)
        surrogate = as_surrogate(self.quality_model)
        rounds, holders = self.tables.base.shape
        self.holders = holders
        self.routes: Routes = self.tables.routes
        self._own_starts = np.zeros((0, rounds), np.int64)
        if config.order == "random":
            self.routes, self._own_starts = self.routes.extended(self.tables.lots, n)
        # A common stop takes the place of the markets' own.
        self._stops = np.zeros(n, np.int64)
        self._common: int | None = 0
        self.factors: Floats = np.ones((holders, n))
        self.lot_offers: Floats = np.zeros((rounds * holders, n))
        self.lot_bought: Bools = np.zeros((rounds * holders, n), np.bool_)
        self.sheet: Floats = np.zeros((BOUGHT, n))
        self.past: Floats = np.zeros((FIRST_KNOWN_OF_ROUND, n))
        self.seen: NDArray[np.float32] = np.zeros((holders, 3, n), np.float32)
        self.round_budgets = np.zeros((n, rounds))
        self._noise = noise_of(self.quality_model) if config.noise else None
        self.shocks: Floats = np.zeros((rounds if config.noise else 0, n))
        self.histories = surrogate.histories(n) if surrogate else None
        self._everyone = np.arange(n)
        self._compile()

    def _compile(self) -> None:
        """Let compiled moves look at the arrays, if they know how to evaluate the histories."""
        known = self.histories is None or isinstance(self.histories, ExposureHistories)
        self.kernel = compiled.kernel(self) if compiled.kernel and known else None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "kernel"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._compile()

    @property
    def stop(self) -> Ints:
        """Where each market stands, int64 (n,): an index of `routes`."""
        return self._stops.copy() if self._common is None else np.full(self.n, self._common)

    @property
    def factor(self) -> Floats:
        """The holders' hidden factors, float64 (n, H). Policies must not see them."""
        return np.asarray(self.factors.T)

    @property
    def quality(self) -> Floats:
        """Quality of the company's model so far, float64 (n,)."""
        return np.asarray(self.sheet[QUALITY])

    @property
    def normals(self) -> int:
        """How many normals an episode needs: one per holder, and with `noise` one per round."""
        return int(self.holders) + len(self.shocks)

    @property
    def budget(self) -> float:
        """The budget B of a whole episode."""
        return self.tables.budget

    @property
    def expectations(self) -> Floats:
        """The least that holders accept, float64 (n, T, H). Policies must not see it."""
        return self.tables.base * self.factor[:, None]

    @property
    def round_index(self) -> Ints:
        """Number of finished rounds t, int64 (n,)."""
        return np.asarray(self.routes.round_index[self.stop])

    @property
    def running(self) -> Bools:
        """Which markets are within an episode, bool (n,)."""
        stage = self.routes.stage[self.stop]
        return np.asarray((stage != _NEW) & (stage != _DONE))

    @property
    def due(self) -> Bools:
        """Which markets wait for an offer, bool (n,)."""
        return np.asarray(self.routes.stage[self.stop] == _OFFERING)

    @property
    def visited(self) -> Bools:
        """Which markets have made all offers of an open round, bool (n,)."""
        return np.asarray(self.routes.stage[self.stop] == _VISITED)

    def at(self, where: Bools | None = None) -> tuple[Rows, Any]:
        """Return where some markets stand.

        Args:
            where: bool (n,), the markets; None for all.

        Returns:
            Rows of the arrays, and stops: a slice and an int if all stand together, else
            int64 (k,) each.
        """
        if self._common is not None and (where is None or np.count_nonzero(where) == self.n):
            return ALL, self._common
        rows = self._everyone if where is None else where.nonzero()[0]
        return rows, self.stop[rows]

    def _stand(self, rows: Rows, stop: Any) -> None:
        """Move markets to stops; see `at`."""
        if isinstance(stop, int):
            self._common = stop
            return
        if self._common is not None:
            self._stops.fill(self._common)
            self._common = None
        self._stops[rows] = stop

    @property
    def common_stage(self) -> int | None:
        """The stage of all markets if they stand together, else None."""
        return None if self._common is None else self.routes.stage.item(self._common)

    def due_holder(self, rows: Ints) -> Ints:
        """Return the holders who are due in some markets.

        Args:
            rows: int64 (k,), indices of markets that wait for an offer.

        Returns:
            int64 (k,), holder indices.
        """
        return np.asarray(self.routes.lot[self.stop[rows]] % self.tables.holders)

    @property
    def round_left(self) -> Floats:
        """Money left in the open round, float64 (n,), 0 between rounds."""
        return np.asarray(self.sheet[0])

    @property
    def round_budget(self) -> Floats:
        """Money set aside for the open round, float64 (n,), 0 between rounds."""
        return np.asarray(self.sheet[1])

    @property
    def leftover(self) -> Floats:
        """Money left in all, float64 (n,)."""
        return np.asarray(self.sheet[0] + self.sheet[2])

    @property
    def accepted(self) -> Floats:
        """Number of offers accepted in the open round, or else the last, float64 (n,)."""
        return np.asarray(self.sheet[3])

    @property
    def last_change(self) -> Floats:
        """Change of quality in the last round, float64 (n,)."""
        return np.asarray(self.past[ROUND_FEATURES.index("quality_change")])

    @property
    def highest_refused(self) -> Floats:
        """Highest refused offer per base expectation, float64 (n, H), 0 if none.

        Offers of the open round count once it is closed.
        """
        return np.asarray(np.where(self.bought, 0, self._closed_markups()).max(axis=1))

    @property
    def lowest_accepted(self) -> Floats:
        """Lowest accepted offer per base expectation, float64 (n, H), 2 if none.

        Offers of the open round count once it is closed.
        """
        markups = np.where(self.bought, self._closed_markups(), 2)
        return np.asarray(markups.min(axis=1, initial=2))

    @property
    def offers(self) -> Floats:
        """Prices offered, float64 (n, T, H), 0 where none."""
        return self._by_lot(self.lot_offers)

    @property
    def bought(self) -> Bools:
        """Lots bought, bool (n, T, H)."""
        return self._by_lot(self.lot_bought)

    @property
    def payments(self) -> Floats:
        """Prices paid, float64 (n, T, H)."""
        return np.where(self.bought, self.offers, 0.0)

    def _closed_markups(self) -> Floats:
        closed = np.arange(self.tables.rounds) < self.round_index[:, None]
        return self.offers / self.tables.lowest * closed[:, :, None]

    def _by_lot(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values.T.reshape(self.n, *self.tables.base.shape))


def read(column: NDArray[Any], at: Any) -> Any:
    """Return an entry of a column as a plain number, or an array of entries.

    Args:
        column: values by index.
        at: an int, or an array of indices.

    Returns:
        A plain number or an array.
    """
    return column.item(at) if isinstance(at, int) else column[at]
