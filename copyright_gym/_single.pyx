# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""`copyright_gym.single` on the compiled kernel: one market, moved without NumPy's overhead."""

from libc.stdint cimport int8_t, int64_t, uint8_t

import numpy as np

from copyright_gym._kernel cimport ACCEPTED, ACTIONS, LEFT, OUTSIDE, QUALITY, Kernel
from copyright_gym.routes import Stage, after, between, out_of_turn

cdef list STAGES = list(Stage)
cdef list ROUND_MASKS = [np.eye(1, ACTIONS, dtype=np.int8)[0], np.ones(ACTIONS, np.int8)]
cdef enum:
    NEW, BETWEEN, OFFERING, VISITED, DONE


cdef class SingleMarket:
    """One market with the interface of `copyright_gym.single.SingleMarket`."""

    cdef readonly object config, tables
    cdef readonly Py_ssize_t holders
    cdef readonly list round_leftovers, round_qualities
    cdef object market
    cdef Kernel kernel
    cdef Py_ssize_t stop, rounds
    cdef bint noisy
    cdef dict starts
    cdef const int8_t[::1] stages
    cdef const int64_t[::1] finished
    # What observations and masks are written to, and what returns a copy.
    cdef float[::1] round_row, holder_row
    cdef int8_t[::1] mask_row
    cdef object copy_round, copy_holder, copy_mask

    def __init__(self, market):
        self.market, self.kernel = market, market.kernel
        self.config, self.tables, self.holders = market.config, market.tables, market.holders
        self.rounds, self.noisy = self.tables.rounds, self.config.noise
        self.round_leftovers, self.round_qualities = [], []
        self.starts = {name: at.tolist() for name, at in market.routes.starts.items()}
        self.stages, self.finished = market.routes.stage, market.routes.round_index
        self.round_row = row = np.empty(self.kernel.round_features.shape[1], np.float32)
        self.copy_round = row.copy
        self.holder_row = row = np.empty(self.kernel.width, np.float32)
        self.copy_holder = row.copy
        self.mask_row = row = np.empty(ACTIONS, np.int8)
        self.copy_mask = row.copy
        self.stop = market.stop[0]

    def reset(self, generator):
        if self.config.order == "random":
            self.market.reset([generator])
        else:
            self.restart(generator.standard_normal(self.market.normals))
        self.stop = between(0)
        self.round_leftovers, self.round_qualities = [], []

    def begin_round(self, double share, order=None):
        if self.stages[self.stop] != BETWEEN:
            raise self.out_of_turn("begin_round")
        cdef Py_ssize_t t = self.finished[self.stop]
        name = order or self.config.order
        if name in self.starts:
            self.stop = self.starts[name][t]
        else:
            self.stop = self.batch()._first_stops(order, slice(None), t).item()
        self.kernel.open(None, None, t, &share, 1)

    def offer(self, int64_t action):
        if self.stages[self.stop] != OFFERING:
            raise self.out_of_turn("offer")
        if not 0 <= action < ACTIONS:
            raise IndexError(f"an action must lie in [0, {ACTIONS - 1}], not {action}")
        cdef double reward = 0
        self.kernel.trade(None, None, self.stop, &action, 1, &reward)
        self.stop += 1
        return reward

    def end_round(self):
        if self.stages[self.stop] != VISITED:
            raise self.out_of_turn("end_round")
        cdef Py_ssize_t finished = self.finished[self.stop] + 1
        cdef uint8_t over = 0
        reward = 0.0
        if self.noisy or self.kernel.exposures is None:
            reward = self.batch().measure(slice(None), finished - 1).item()
        self.kernel.settle(None, &over, 1)
        self.round_leftovers.append(self.kernel.sheet[OUTSIDE, 0])
        self.round_qualities.append(self.kernel.sheet[QUALITY, 0])
        done = over or finished == self.rounds
        self.stop = after(self.rounds, finished) if done else between(finished)
        return reward

    def round_observation(self):
        self.kernel.see_round(None, self.finished[self.stop], &self.round_row[0])
        return self.copy_round()

    def holder_observation(self):
        self.kernel.see_holder(None, self.stop, &self.holder_row[0])
        return self.copy_holder()

    def joint_observation(self):
        return self.batch().joint_observation()[0]

    def round_mask(self):
        return ROUND_MASKS[self.running and self.leftover > 0].copy()

    def holder_mask(self):
        self.kernel.see_mask(None, self.stop, &self.mask_row[0])
        return self.copy_mask()

    @property
    def stage(self):
        return STAGES[self.stages[self.stop]]

    @property
    def due(self):
        return self.stages[self.stop] == OFFERING

    @property
    def running(self):
        return self.stages[self.stop] != NEW and self.stages[self.stop] != DONE

    @property
    def due_holder(self):
        return self.kernel.lot[self.stop] % self.holders

    @property
    def round_index(self):
        return self.finished[self.stop]

    @property
    def position(self):
        return self.market.routes.position.item(self.stop)

    @property
    def quality(self):
        return self.kernel.sheet[QUALITY, 0]

    @property
    def round_left(self):
        return self.kernel.sheet[LEFT, 0]

    @property
    def outside(self):
        return self.kernel.sheet[OUTSIDE, 0]

    @property
    def leftover(self):
        return self.kernel.sheet[OUTSIDE, 0] + self.kernel.sheet[LEFT, 0]

    @property
    def accepted(self):
        return int(self.kernel.sheet[ACCEPTED, 0])

    @property
    def factor(self):
        return self.market.factors[:, 0].tolist()

    @factor.setter
    def factor(self, values):
        self.market.factors[:, 0] = values

    @property
    def expectations(self):
        return self.market.expectations[0]

    @property
    def round_budgets(self):
        return self.market.round_budgets[0].tolist()

    @property
    def offers(self):
        return self.market.lot_offers[:, 0].tolist()

    @property
    def bought(self):
        return self.market.lot_bought[:, 0].tolist()

    cdef void restart(self, normals) except *:
        """Start a new episode as `Market.restart` does."""
        cdef Kernel kernel = self.kernel
        cdef Py_ssize_t holder
        self.market.factors[:, 0] = np.exp(self.config.sigma * normals[: self.holders])
        if self.noisy:
            self.market.shocks[:, 0] = normals[self.holders :]
        kernel.offers[:, :] = 0
        kernel.bought[:, :] = 0
        kernel.round_budgets[:, :] = 0
        kernel.sheet[:, :] = 0
        kernel.past[:, :] = 0
        kernel.seen[:, :, :] = 0
        for holder in range(self.holders):
            kernel.seen[holder, 2, 0] = 1
        kernel.sheet[OUTSIDE, 0] = kernel.past[0, 0] = kernel.budget
        if kernel.exposures is not None:
            kernel.exposures.sums[:, :] = 0
            kernel.exposures.faded[:, :] = 0
            kernel.exposures.number[0] = kernel.exposures.new[0] = 0

    cdef object batch(self):
        """Return the market for what is not worth compiling."""
        self.market._common = self.stop
        return self.market

    cdef object out_of_turn(self, method):
        visited = f"{self.position} of {self.holders}"
        return out_of_turn(method, "the market", self.stage, visited)

    def __reduce__(self):
        return _restored, (self.batch(), self.round_leftovers, self.round_qualities)


def _restored(market, leftovers, qualities):
    single = SingleMarket(market)
    (<SingleMarket>single).round_leftovers = leftovers
    (<SingleMarket>single).round_qualities = qualities
    return single
