"""What compiled modules see of the kernel."""

from libc.stdint cimport int8_t, int64_t, uint8_t

cdef enum:
    # Rows of `MarketState.sheet`.
    LEFT, SET_ASIDE, OUTSIDE, ACCEPTED, QUALITY
    # Numbers of features: from the sheet, from `seen`, known beforehand; of the round level, from
    # `MarketState.past`; and of actions.
    CHANGING = 5
    ANSWERS = 3
    KNOWN = 11
    ROUND_CHANGING = 5
    ACTIONS = 11

ctypedef const int64_t[::1] Indices


cdef class Exposures:
    cdef double[:, ::1] sums, faded
    cdef int64_t[::1] number, new
    cdef const double[:, ::1] rows
    cdef const double[::1] per_lot, per_exposure, left, bias, out
    cdef double[::1] hidden
    cdef double nothing
    cdef Py_ssize_t units

    cdef void open(self, Py_ssize_t i) noexcept nogil
    cdef double add(self, Py_ssize_t i, Py_ssize_t holder) noexcept nogil
    cdef double output(
        self, double* sums, const double* lot, const double* faded,
        double per_lot, double gain, double keep, Py_ssize_t units,
    ) noexcept nogil


cdef class Kernel:
    cdef double[:, ::1] sheet, past, factors, offers, round_budgets
    cdef uint8_t[:, ::1] bought
    cdef float[:, :, ::1] seen
    cdef const double[:, ::1] prices, limits
    cdef const double[::1] lowest, exposure, sheet_scale, past_scale
    cdef const float[:, ::1] round_features, features
    cdef Indices lot
    cdef const int8_t[:, ::1] masks
    cdef int64_t[::1] buyers
    cdef double budget, kappa, copyright_weight
    cdef Py_ssize_t n, holders, rounds, width
    cdef bint visible
    cdef Exposures exposures

    cdef void open(
        self, Indices rows, Indices rounds, Py_ssize_t t, const double* shares, Py_ssize_t size
    ) noexcept nogil
    cdef void trade(
        self, Indices rows, Indices stops, Py_ssize_t stop, const int64_t* actions,
        Py_ssize_t size, double* rewards,
    ) noexcept nogil
    cdef void settle(self, Indices rows, uint8_t* over, Py_ssize_t size) noexcept nogil
    cdef void see_round(self, Indices rounds, Py_ssize_t t, float* out) noexcept nogil
    cdef void see_holder(self, Indices stops, Py_ssize_t stop, float* out) noexcept nogil
    cdef void see_mask(self, Indices stops, Py_ssize_t stop, int8_t* out) noexcept nogil
