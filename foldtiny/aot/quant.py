"""TFLite's integer arithmetic, number for number: what is decided when compiling.

Each function names the TFLite Micro function whose results it reproduces; the kernel tests compare them end to end.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

INT8_MIN, INT8_MAX = -128, 127
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1

_RANGES: dict[str, tuple[float | None, float | None]] = {
    "none": (None, None),
    "relu": (0.0, None),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}
"""Real ranges of the fused activations."""


def quantise_multiplier(real: float) -> tuple[int, int]:
    """Return (mantissa in Q31, power of two) of a non-negative factor (``QuantizeMultiplier``)."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * (1 << 31) + 0.5)
    if mantissa == 1 << 31:
        mantissa //= 2
        shift += 1
    return (0, 0) if shift < -31 else (mantissa, shift)


def wrap32(value: int) -> int:
    """Keep the low 32 bits, as a two's complement number."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def high_mul(a: int, b: int) -> int:
    """Return round(a*b / 2^31), halves up (gemmlowp ``SaturatingRoundingDoublingHighMul``)."""
    if a == b == INT32_MIN:
        return INT32_MAX
    return (a * b + (1 << 30)) >> 31


def rounding_shift(value: int, exponent: int) -> int:
    """Return value / 2^exponent, halves away from zero (gemmlowp ``RoundingDivideByPOT``)."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if (value & mask) > threshold else 0)


def requantise(value: int, multiplier: int, shift: int) -> int:
    """Return value * multiplier * 2^(shift - 31) with TFLite's two roundings (``MultiplyByQuantizedMultiplier``)."""
    left, right = max(shift, 0), max(-shift, 0)
    return rounding_shift(high_mul(wrap32(value << left), multiplier), right)


def clamp(value: int, low: int = INT8_MIN, high: int = INT8_MAX) -> int:
    """Limit a value to a range."""
    return max(low, min(high, value))


def round_half_away(value: float) -> int:
    """Round as C's ``round``: halves away from zero."""
    return math.floor(value + 0.5) if value >= 0 else -math.floor(-value + 0.5)


def quantise_float(value: float, scale: float, zero_point: int) -> int:
    """Return the stored integer of a real value, divided in single precision as TFLite does."""
    with np.errstate(over="ignore", divide="ignore"):
        quotient = float(np.float32(value) / np.float32(scale))
    return zero_point + round_half_away(quotient)


def activation_range(activation: str, scale: float, zero_point: int) -> tuple[int, int]:
    """Return the int8 clamp of a fused activation (``CalculateActivationRangeQuantized``)."""
    low, high = _RANGES[activation]
    bottom = INT8_MIN if low is None else max(INT8_MIN, quantise_float(low, scale, zero_point))
    top = INT8_MAX if high is None else min(INT8_MAX, quantise_float(high, scale, zero_point))
    return bottom, top


def float_range(activation: str) -> tuple[float, float]:
    """Return the clamp of a fused activation on real numbers."""
    largest = float(np.finfo(np.float32).max)
    low, high = _RANGES[activation]
    return -largest if low is None else low, largest if high is None else high


def int8_table(function: Callable[[int], int]) -> np.ndarray:
    """Tabulate a function of one int8 value; entry 0 belongs to -128."""
    return np.array([function(value) for value in range(INT8_MIN, INT8_MAX + 1)], dtype=np.int8)


def _saturating_shift_left(value: int, exponent: int) -> int:
    return clamp(value << exponent, INT32_MIN, INT32_MAX)


def exp_on_negative_values(value: int, integer_bits: int = 5) -> int:
    """Return exp of a non-positive fixed-point number, in Q31 (gemmlowp ``exp_on_negative_values``)."""
    fractional = 31 - integer_bits
    quarter = 1 << (fractional - 2)
    # The remainder lies in (-1/4, 0]; the rest is a sum of powers of two, each with its own factor.
    remainder = (value & (quarter - 1)) - quarter
    result = _exp_between_minus_quarter_and_zero(remainder << integer_bits)
    rest = remainder - value
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for exponent, factor in zip(range(-2, 5), factors, strict=True):
        if integer_bits > exponent and rest & (1 << (fractional + exponent)):
            result = high_mul(result, factor)
    if integer_bits > 5 and value < -(1 << (fractional + 5)):
        return 0
    return INT32_MAX if value == 0 else result


def _exp_between_minus_quarter_and_zero(value: int) -> int:
    constant, third = 1895147668, 715827883
    x = value + (1 << 28)
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    x4 = high_mul(x2, x2)
    x4_over_4 = rounding_shift(x4, 2)
    polynomial = rounding_shift(high_mul(x4_over_4 + x3, third) + x2, 1)
    return wrap32(constant + high_mul(constant, x + polynomial))


def one_over_one_plus_x(value: int) -> int:
    """Return 1 / (1 + x) of a Q31 number in [0, 1), in Q31 (gemmlowp ``one_over_one_plus_x_for_x_in_0_1``)."""
    half_denominator = (value + INT32_MAX + 1) >> 1
    x = 1515870810 + high_mul(half_denominator, -1010580540)
    for _ in range(3):
        error = (1 << 29) - high_mul(half_denominator, x)
        x = wrap32(x + _saturating_shift_left(high_mul(x, error), 2))
    return _saturating_shift_left(x, 1)


def logistic(value: int, integer_bits: int = 4) -> int:
    """Return 1 / (1 + exp(-x)) of a fixed-point number, in Q31 (gemmlowp ``logistic``)."""
    if value == 0:
        return 1 << 30
    positive = one_over_one_plus_x(exp_on_negative_values(-abs(value), integer_bits))
    return positive if value > 0 else INT32_MAX - positive
