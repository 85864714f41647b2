"""exp and log by polynomials, which the compiler can vectorise, unlike those of the C library.

Without Intel's SVML numba has no vectorised versions of these functions. Both split their argument, by the bits of a
float64, into a power of two, which is exact, and a rest so close to 1 that a short polynomial is enough.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import float32, float64, uint64
from numba.extending import intrinsic
from numpy.polynomial import chebyshev

from labkit.compiling import njit

FAST = {"contract", "arcp", "nsz", "reassoc"}
EXACT = FAST - {"reassoc"}  # a number added for rounding must stay in its place


@intrinsic
def bits(typingctx, x):
    """The 64 bits of a float64 as an unsigned integer."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return uint64(float64), generate


@intrinsic
def from_bits(typingctx, x):
    """64 bits as a float64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return float64(uint64), generate


def polynomial(double, single=()):
    """A compiled polynomial by Horner's rule; coefficients, constant first, for arguments of float64 and of float32.

    Its instructions are written out: a loop over constants may keep the compiler from vectorising the caller.
    """

    @intrinsic
    def value(typingctx, x):
        def generate(context, builder, signature, arguments):
            real, rounded = context.get_value_type(x), np.float32 if x == float32 else np.float64
            found, *others = (
                ir.Constant(real, float(rounded(c))) for c in reversed(single if x == float32 else double)
            )
            for constant in others:
                found = builder.fadd(builder.fmul(found, arguments[0], ("contract",)), constant, ("contract",))
            return found

        return x(x), generate

    return value


def _fitted(function, low, high, degree):
    """Coefficients (degree + 1,), constant first, of a nearly optimal polynomial on an interval."""
    x = low + (high - low) * (chebyshev.chebpts1(200) + 1) / 2
    series = chebyshev.Chebyshev.fit(x, function(x), degree, domain=(low, high))
    return tuple(float(c) for c in series.convert(kind=np.polynomial.Polynomial).coef)


def _atanh_by_s(q):
    """atanh(s)/s as a function of q = s²; by the series if s is small."""
    s = np.sqrt(np.maximum(q, 1e-30))
    return np.where(q < 1e-4, 1 + q / 3 + q * q / 5 + q**3 / 7, np.arctanh(s) / s)


LN2, LOG2E = math.log(2.0), 1 / math.log(2.0)
_exp = polynomial(_fitted(np.exp, -0.5 * LN2, 0.5 * LN2, 12))
_atanh = polynomial(_fitted(_atanh_by_s, 0.0, 0.0405, 8))  # s² of ratios from 2^-0.587 to 2^0.587
_EXPONENT = np.uint64(52)
_HALF, _OFFSET = np.uint64(1 << 51), np.uint64(1024)
_AS_FLOAT, _FLOAT = np.uint64(0x4330000000000000), 2.0**52 + 1024.0  # the bits of 2^52: an integer below them is added
_TO_INTEGER, _PAST = 1.5 * 2.0**52, np.uint64(2048)


@njit(fastmath=EXACT, nogil=True, error_model="numpy")
def exp_minus(y):
    """exp(-y) for y >= 0, with a relative error of (1 + y) 1e-15; 1e-304 beyond y = 700."""
    x = -y if y < 700.0 else -700.0
    # the integer nearest to x/ln 2 is in the last bits; read from there, so that no optimisation undoes the rounding
    n = bits(x * LOG2E + _TO_INTEGER) + _PAST
    rest = x - (from_bits(n) - (_TO_INTEGER + 2048.0)) * LN2
    return from_bits(bits(_exp(rest)) + ((n - _PAST) << _EXPONENT))


@njit(fastmath=EXACT, nogil=True, error_model="numpy")
def log_ratios(low, high, other_low, other_high):
    """log(low/high) of two pairs of positive numbers, with ratios up to 2^1000, to a relative error of 1e-15."""
    power, scaled = _halved(low, high)
    other_power, other_scaled = _halved(other_low, other_high)
    total, other = scaled + high, other_scaled + other_high
    inverse = 1.0 / (total * other)  # one division takes as long as ten products
    s, z = (scaled - high) * other * inverse, (other_scaled - other_high) * total * inverse
    return power * LN2 + 2.0 * s * _atanh(s * s), other_power * LN2 + 2.0 * z * _atanh(z * z)


@njit(fastmath=EXACT, nogil=True, error_model="numpy")
def _halved(low, high):
    """n and 2^-n low, which is within a factor of 2^0.587 of high."""
    power = (bits(low) - bits(high) + _HALF + (_OFFSET << _EXPONENT)) >> _EXPONENT
    return from_bits(power | _AS_FLOAT) - _FLOAT, from_bits(bits(low) - ((power - _OFFSET) << _EXPONENT))
