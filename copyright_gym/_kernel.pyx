# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""`copyright_gym.moves`, `observations` and `exposure_histories` as compiled loops over markets.

The bits are the same as in NumPy: floats meet the same operations in the same order, and
setup.py keeps the compiler from fusing any. What is here views the arrays of a state and keeps
nothing of its own, so both may take turns. Where markets stand together, an array of stops or
rounds is None and the number behind it holds for all; where all move, `rows` is None.
"""

from libc.math cimport fabs
from libc.string cimport memcpy

import numpy as np

cdef enum:
    # Hidden units for which the compiler unrolls loops.
    USUAL = 8


cdef class Exposures:
    """Purchase histories of the exposure surrogate; see `exposure_histories`."""

    def __init__(self, histories):
        add = histories._add
        self.sums, self.faded = histories._sums, histories._faded
        self.number, self.new = histories._number, histories._new
        self.rows, self.bias, self.out, self.nothing = add.rows, add.bias, add.out, add.nothing
        self.per_lot, self.per_exposure, self.left = add.per_lot, add.per_exposure, add.left
        self.units = len(add.out)
        self.hidden = np.zeros(self.units)

    cdef void open(self, Py_ssize_t i) noexcept nogil:
        """Begin a round in history i."""
        cdef double* faded = &self.faded[i, 0]
        cdef double* exposed = &self.sums[i, self.units]
        cdef double gain = self.new[i] * self.per_exposure[self.number[i]]
        cdef double keep = self.left[self.new[i]]
        cdef Py_ssize_t k
        for k in range(self.units):
            faded[k] = exposed[k] * gain + faded[k] * keep
        self.new[i] = 0

    cdef double add(self, Py_ssize_t i, Py_ssize_t holder) noexcept nogil:
        """Add a holder's lot to history i; return the quality."""
        self.number[i] += 1
        self.new[i] += 1
        cdef double per_lot = self.per_lot[self.number[i]]
        cdef double gain = self.new[i] * self.per_exposure[self.number[i]]
        cdef double keep = self.left[self.new[i]]
        cdef double* sums = &self.sums[i, 0]
        cdef const double* lot = &self.rows[holder, 0]
        if self.units == USUAL:
            return self.output(sums, lot, &self.faded[i, 0], per_lot, gain, keep, USUAL)
        return self.output(sums, lot, &self.faded[i, 0], per_lot, gain, keep, self.units)

    cdef inline double output(
        self, double* sums, const double* lot, const double* faded,
        double per_lot, double gain, double keep, Py_ssize_t units,
    ) noexcept nogil:
        cdef const double* bias = &self.bias[0]
        cdef const double* out = &self.out[0]
        cdef double* hidden = &self.hidden[0]
        cdef Py_ssize_t k
        cdef double value
        for k in range(2 * units):
            sums[k] += lot[k]
        for k in range(units):
            value = sums[k] * per_lot + bias[k] + (sums[units + k] * gain + faded[k] * keep)
            hidden[k] = value / (fabs(value) + 1.0) * out[k]
        while units > 1:
            units //= 2
            for k in range(units):
                hidden[k] += hidden[units + k]
        return hidden[0] - self.nothing


cdef class Kernel:
    """The moves of the markets of a `MarketState`, and what policies see of them."""

    def __init__(self, state):
        tables, config = state.tables, state.config
        self.sheet, self.past, self.seen = state.sheet, state.past, state.seen
        self.factors, self.offers = state.factors, state.lot_offers
        self.bought, self.round_budgets = state.lot_bought.view(np.uint8), state.round_budgets
        self.prices, self.limits = tables.prices, tables.limits
        self.lowest, self.exposure = tables.lowest.ravel(), tables.exposure.ravel()
        self.sheet_scale, self.past_scale = tables.sheet_scale.ravel(), tables.past_scale.ravel()
        self.round_features = tables.round_features
        self.features, self.lot = state.routes.features, state.routes.lot
        self.budget, self.kappa = tables.budget, config.kappa
        self.copyright_weight, self.visible = config.copyright_weight, config.visible_expectations
        self.n, self.holders, self.rounds = state.n, tables.holders, tables.rounds
        self.width = self.features.shape[1] + self.visible
        # By the number of legal actions beyond 0.
        self.masks = np.tri(ACTIONS, dtype=np.int8)
        self.buyers = np.zeros(state.n, np.int64)
        self.exposures = Exposures(state.histories) if state.histories else None

    def begin_round(self, rows, t, const double[::1] shares):
        """Set money aside; see `moves.begin_round`."""
        self.open(_many(rows), _many(t), _one(t), &shares[0], shares.shape[0])

    def offer(self, rows, stop, const int64_t[::1] actions):
        """Make offers; see `moves.offer`."""
        rewards = np.zeros(self.n)
        cdef double[::1] out = rewards
        self.trade(_many(rows), _many(stop), _one(stop), &actions[0], actions.shape[0], &out[0])
        return rewards

    def end_round(self, rows):
        """Settle the money; see `moves.end_round`."""
        over = np.empty(self.n if isinstance(rows, slice) else len(rows), np.bool_)
        cdef uint8_t[::1] out = over.view(np.uint8)
        self.settle(_many(rows), &out[0], out.shape[0])
        return over

    def observe_round(self, t):
        """See `observations.observe_round`."""
        seen = np.empty((self.n, self.round_features.shape[1]), np.float32)
        cdef float[:, ::1] out = seen
        self.see_round(_many(t), _one(t), &out[0, 0])
        return seen

    def observe_holder(self, stop):
        """See `observations.observe_holder`."""
        seen = np.empty((self.n, self.width), np.float32)
        cdef float[:, ::1] out = seen
        self.see_holder(_many(stop), _one(stop), &out[0, 0])
        return seen

    def mask_offers(self, stop):
        """See `observations.mask_offers`."""
        masks = np.empty((self.n, ACTIONS), np.bool_)
        cdef int8_t[:, ::1] out = masks.view(np.int8)
        self.see_mask(_many(stop), _one(stop), &out[0, 0])
        return masks

    cdef void open(
        self, Indices rows, Indices rounds, Py_ssize_t t, const double* shares, Py_ssize_t size
    ) noexcept nogil:
        cdef Py_ssize_t j, i
        cdef double leftover, budget
        for j in range(size):
            i = j if rows is None else rows[j]
            leftover = self.sheet[OUTSIDE, i]
            budget = shares[j] * leftover
            self.sheet[LEFT, i] = self.sheet[SET_ASIDE, i] = budget
            self.round_budgets[i, t if rounds is None else rounds[j]] = budget
            self.sheet[OUTSIDE, i] = leftover - budget
            self.sheet[ACCEPTED, i] = 0
            if self.exposures is not None:
                self.exposures.open(i)

    cdef void trade(
        self, Indices rows, Indices stops, Py_ssize_t stop, const int64_t* actions,
        Py_ssize_t size, double* rewards,
    ) noexcept nogil:
        cdef Py_ssize_t j, i, k, lot = 0, holder = 0, buying = 0
        # What bytes are written to must not be read anew for each market: hence the pointers.
        cdef double* left = &self.sheet[LEFT, 0]
        cdef double* accepted = &self.sheet[ACCEPTED, 0]
        cdef double* known = &self.sheet[QUALITY, 0]
        cdef int64_t* buyers = &self.buyers[0]
        cdef const double* prices = NULL
        cdef const double* factor = NULL
        cdef double* offer = NULL
        cdef uint8_t* sold = NULL
        cdef float* count = NULL
        cdef float* refused = NULL
        cdef float* taken = NULL
        cdef float half, fails
        cdef double price, reward, quality, least = 0
        cdef bint accepts
        for j in range(size):
            i = j if rows is None else rows[j]
            if stops is not None or j == 0:
                lot = self.lot[stop if stops is None else stops[j]]
                holder = lot % self.holders
                least, prices = self.lowest[lot], &self.prices[lot, 0]
                offer, sold = &self.offers[lot, 0], &self.bought[lot, 0]
                factor, count = &self.factors[holder, 0], &self.seen[holder, 0, 0]
                refused, taken = &self.seen[holder, 1, 0], &self.seen[holder, 2, 0]
            price = min(prices[actions[j]], left[i])
            accepts = price >= least * factor[i]
            offer[i] = price
            sold[i] = accepts
            left[i] -= price * accepts
            accepted[i] += accepts
            half = <float>(price / (2 * least))
            fails = 1 - accepts
            # No half is above 1, so what is not to count can be 0 or 1.
            count[i] += accepts
            refused[i] = max(refused[i], half * fails)
            taken[i] = min(taken[i], max(half, fails))
            # Answers are hard to predict: a branch would take longer than the rest.
            buyers[buying] = j
            buying += accepts
        for k in range(buying):
            j = buyers[k]
            i = j if rows is None else rows[j]
            if stops is not None:
                lot = self.lot[stops[j]]
                holder = lot % self.holders
            reward = 0
            if self.exposures is not None:
                quality = self.exposures.add(i, holder)
                reward = quality - known[i]
                known[i] = quality
            if self.kappa:
                reward -= self.kappa * self.offers[lot, i] / self.budget
            if self.copyright_weight:
                reward -= self.copyright_weight * self.exposure[lot]
            rewards[i] = reward

    cdef void settle(self, Indices rows, uint8_t* over, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t j, i
        cdef double left, budget, leftover, quality
        for j in range(size):
            i = j if rows is None else rows[j]
            left, budget = self.sheet[LEFT, i], self.sheet[SET_ASIDE, i]
            leftover, quality = self.sheet[OUTSIDE, i] + left, self.sheet[QUALITY, i]
            self.past[2, i] = quality - self.past[1, i]
            self.past[0, i], self.past[1, i] = leftover, quality
            self.past[3, i] = (budget - left) / budget if budget > 0 else 0
            self.past[4, i] = self.sheet[ACCEPTED, i]
            self.sheet[LEFT, i] = self.sheet[SET_ASIDE, i] = 0
            self.sheet[OUTSIDE, i] = leftover
            over[j] = leftover <= 1e-9 * self.budget

    cdef void see_round(self, Indices rounds, Py_ssize_t t, float* out) noexcept nogil:
        cdef Py_ssize_t i, k, width = self.round_features.shape[1]
        cdef float value
        for i in range(self.n):
            for k in range(ROUND_CHANGING):
                value = <float>(self.past[k, i] * self.past_scale[k])
                out[k] = value if value > -1 else -1
            for k in range(ROUND_CHANGING, width):
                out[k] = self.round_features[t if rounds is None else rounds[i], k]
            out += width

    cdef void see_holder(self, Indices stops, Py_ssize_t stop, float* out) noexcept nogil:
        cdef Py_ssize_t i, k, holder, n = self.n, first = CHANGING + ANSWERS
        cdef const double* sheet = &self.sheet[0, 0]
        cdef const double* scale = &self.sheet_scale[0]
        cdef const float* seen
        cdef float rounds = self.rounds
        cdef bint due
        for i in range(n):
            if stops is not None:
                stop = stops[i]
            due = self.lot[stop] >= 0
            holder = self.lot[stop] % self.holders if due else 0
            seen = &self.seen[holder, 0, 0]
            for k in range(CHANGING):
                out[k] = <float>(sheet[k * n + i] * scale[k])
            out[QUALITY] = out[QUALITY] if out[QUALITY] > -1 else -1
            for k in range(ANSWERS):
                out[CHANGING + k] = seen[k * n + i] if due else 0
            out[CHANGING] /= rounds
            memcpy(&out[first], &self.features[stop, first], KNOWN * sizeof(float))
            if self.visible:
                out[first + KNOWN] = min(self.factors[holder, i] / 4, 1) if due else 0
            out += self.width

    cdef void see_mask(self, Indices stops, Py_ssize_t stop, int8_t* out) noexcept nogil:
        cdef Py_ssize_t i, k, lot, legal, n = self.n, none = self.limits.shape[0] - 1
        cdef const double* left = &self.sheet[LEFT, 0]
        cdef const int8_t* masks = &self.masks[0, 0]
        cdef const double* limits = NULL
        for i in range(n):
            if stops is not None or i == 0:
                lot = self.lot[stop if stops is None else stops[i]]
                limits = &self.limits[lot if lot >= 0 else none, 0]
            # Limits rise, so it is enough to count.
            legal = 0
            for k in range(1, ACTIONS):
                legal += limits[k] < left[i]
            memcpy(out, &masks[legal * ACTIONS], ACTIONS)
            out += ACTIONS


cdef Indices _many(at):
    """Return an array of rows, stops or rounds; None for a number or for all rows."""
    return None if isinstance(at, (int, slice)) else at


cdef Py_ssize_t _one(at) except? -1:
    """Return a number, if it is one."""
    return at if isinstance(at, int) else 0
