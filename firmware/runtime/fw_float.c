/* Single-precision arithmetic in integers, for the simulated Xtensa core: it has no floating point and
 * Debian's libgcc for it lacks most of the routines. Round to nearest even, subnormals included, as IEEE 754
 * asks, so results equal those of a floating-point unit to the bit. */
#include <stdint.h>
#include <string.h>

#if defined(FW_FREESTANDING) || defined(FW_SOFT_TEST)

#define FW_SIGN 0x80000000u
#define FW_INFINITY 0x7F800000u
#define FW_NAN 0x7FC00000u
#define FW_HIDDEN 0x00800000u
#define FW_FRACTION 0x007FFFFFu

#ifdef FW_SOFT_TEST
#define FW_HELPER(name) fw_test##name
#else
#define FW_HELPER(name) name
#endif

float FW_HELPER(__addsf3)(float a, float b);
float FW_HELPER(__subsf3)(float a, float b);
float FW_HELPER(__mulsf3)(float a, float b);
float FW_HELPER(__divsf3)(float a, float b);
float FW_HELPER(__floatsisf)(int32_t value);
float FW_HELPER(__floatunsisf)(uint32_t value);
int32_t FW_HELPER(__fixsfsi)(float value);
uint32_t FW_HELPER(__fixunssfsi)(float value);
float FW_HELPER(expf)(float x);

static uint32_t fw_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float fw_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Shift right; any bit that falls out stays as the lowest one, so that rounding still sees it. */
static uint32_t fw_shift_sticky(uint32_t value, uint32_t shift) {
    if (shift > 31) {
        return value != 0 ? 1 : 0;
    }
    return (value >> shift) | ((value & ((1u << shift) - 1u)) != 0 ? 1u : 0u);
}

/* Round and assemble. mantissa has its leading bit at 26 (or lower, if exponent is 1), three bits below the
 * result. */
static uint32_t fw_pack(uint32_t sign, int32_t exponent, uint32_t mantissa) {
    if (exponent < 1) {
        mantissa = fw_shift_sticky(mantissa, (uint32_t)(1 - exponent));
        exponent = 1;
    }
    const uint32_t rest = mantissa & 7u;
    mantissa >>= 3;
    if (rest > 4 || (rest == 4 && (mantissa & 1u) != 0)) {
        ++mantissa;
    }
    if (mantissa >= 2 * FW_HIDDEN) {
        mantissa >>= 1;
        ++exponent;
    }
    if (exponent >= 255) {
        return sign | FW_INFINITY;
    }
    const uint32_t field = mantissa >= FW_HIDDEN ? (uint32_t)exponent : 0u;
    return sign | (field << 23) | (mantissa & FW_FRACTION);
}

static uint32_t fw_exponent(uint32_t bits) {
    return (bits >> 23) & 255u;
}

static uint32_t fw_add(uint32_t a, uint32_t b) {
    if ((a & ~FW_SIGN) < (b & ~FW_SIGN)) {
        const uint32_t swap = a;
        a = b;
        b = swap;
    }
    const uint32_t sign = a & FW_SIGN;
    const uint32_t opposite = (a ^ b) & FW_SIGN;
    if (fw_exponent(a) == 255) {
        const uint32_t invalid = (a & FW_FRACTION) | (fw_exponent(b) == 255 ? opposite : 0);
        return invalid != 0 ? FW_NAN : a;
    }
    int32_t exponent = (int32_t)(fw_exponent(a) != 0 ? fw_exponent(a) : 1);
    const int32_t smaller = (int32_t)(fw_exponent(b) != 0 ? fw_exponent(b) : 1);
    uint32_t mantissa = ((a & FW_FRACTION) | (fw_exponent(a) != 0 ? FW_HIDDEN : 0)) << 3;
    uint32_t other = ((b & FW_FRACTION) | (fw_exponent(b) != 0 ? FW_HIDDEN : 0)) << 3;
    other = fw_shift_sticky(other, (uint32_t)(exponent - smaller));
    if (opposite == 0) {
        mantissa += other;
        if (mantissa >= FW_HIDDEN << 4) {
            mantissa = fw_shift_sticky(mantissa, 1);
            ++exponent;
        }
        return fw_pack(sign, exponent, mantissa);
    }
    mantissa -= other;
    if (mantissa == 0) {
        return 0;
    }
    while (mantissa < FW_HIDDEN << 3 && exponent > 1) {
        mantissa <<= 1;
        --exponent;
    }
    return fw_pack(sign, exponent, mantissa);
}

/* Split a finite number other than zero so that its leading bit is bit 23. */
static uint32_t fw_normalise(uint32_t bits, int32_t *exponent) {
    uint32_t mantissa = bits & FW_FRACTION;
    *exponent = (int32_t)fw_exponent(bits);
    if (*exponent != 0) {
        return mantissa | FW_HIDDEN;
    }
    *exponent = 1;
    while (mantissa < FW_HIDDEN) {
        mantissa <<= 1;
        --*exponent;
    }
    return mantissa;
}

static uint32_t fw_multiply(uint32_t a, uint32_t b) {
    const uint32_t sign = (a ^ b) & FW_SIGN;
    a &= ~FW_SIGN;
    b &= ~FW_SIGN;
    if (a >= FW_INFINITY || b >= FW_INFINITY) {
        return a > FW_INFINITY || b > FW_INFINITY || a == 0 || b == 0 ? FW_NAN : sign | FW_INFINITY;
    }
    if (a == 0 || b == 0) {
        return sign;
    }
    int32_t a_exponent;
    int32_t b_exponent;
    const uint32_t a_mantissa = fw_normalise(a, &a_exponent);
    const uint32_t b_mantissa = fw_normalise(b, &b_exponent);
    const uint64_t product = (uint64_t)a_mantissa * b_mantissa; /* leading bit 46 or 47 */
    uint32_t mantissa = (uint32_t)(product >> 20);
    mantissa |= ((uint32_t)product & 0xFFFFFu) != 0 ? 1u : 0u;
    int32_t exponent = a_exponent + b_exponent - 127;
    if (mantissa >= FW_HIDDEN << 4) {
        mantissa = fw_shift_sticky(mantissa, 1);
        ++exponent;
    }
    return fw_pack(sign, exponent, mantissa);
}

static uint32_t fw_divide(uint32_t a, uint32_t b) {
    const uint32_t sign = (a ^ b) & FW_SIGN;
    a &= ~FW_SIGN;
    b &= ~FW_SIGN;
    if (a > FW_INFINITY || b > FW_INFINITY || (a == b && (a == 0 || a == FW_INFINITY))) {
        return FW_NAN;
    }
    if (a == FW_INFINITY || b == 0) {
        return sign | FW_INFINITY;
    }
    if (a == 0 || b == FW_INFINITY) {
        return sign;
    }
    int32_t a_exponent;
    int32_t b_exponent;
    uint32_t rest = fw_normalise(a, &a_exponent);
    const uint32_t divisor = fw_normalise(b, &b_exponent);
    int32_t exponent = a_exponent - b_exponent + 127;
    if (rest < divisor) {
        rest <<= 1;
        --exponent;
    }
    uint32_t quotient = 0;
    for (int bit = 0; bit < 27; ++bit) {
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1u;
        }
        rest <<= 1;
    }
    return fw_pack(sign, exponent, quotient | (rest != 0 ? 1u : 0u));
}

static uint32_t fw_from_unsigned(uint32_t sign, uint32_t value) {
    if (value == 0) {
        return 0;
    }
    const uint32_t zeros = (uint32_t)__builtin_clz(value);
    return fw_pack(sign, 127 + 31 - (int32_t)zeros, fw_shift_sticky(value << zeros, 5));
}

/* Truncate the magnitude to an integer below 2^32; larger ones and NaN give all ones. */
static uint32_t fw_truncate(uint32_t bits) {
    const int32_t exponent = (int32_t)fw_exponent(bits) - 127;
    if (exponent < 0) {
        return 0;
    }
    if (exponent > 31) {
        return 0xFFFFFFFFu;
    }
    const uint32_t mantissa = (bits & FW_FRACTION) | FW_HIDDEN;
    return exponent >= 23 ? mantissa << (exponent - 23) : mantissa >> (23 - exponent);
}

float FW_HELPER(__addsf3)(float a, float b) {
    return fw_float(fw_add(fw_bits(a), fw_bits(b)));
}

float FW_HELPER(__subsf3)(float a, float b) {
    const uint32_t bits = fw_bits(b);
    return fw_float(fw_add(fw_bits(a), (bits & ~FW_SIGN) > FW_INFINITY ? bits : bits ^ FW_SIGN));
}

float FW_HELPER(__mulsf3)(float a, float b) {
    return fw_float(fw_multiply(fw_bits(a), fw_bits(b)));
}

float FW_HELPER(__divsf3)(float a, float b) {
    return fw_float(fw_divide(fw_bits(a), fw_bits(b)));
}

float FW_HELPER(__floatsisf)(int32_t value) {
    const uint32_t magnitude = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    return fw_float(fw_from_unsigned(value < 0 ? FW_SIGN : 0, magnitude));
}

float FW_HELPER(__floatunsisf)(uint32_t value) {
    return fw_float(fw_from_unsigned(0, value));
}

int32_t FW_HELPER(__fixsfsi)(float value) {
    const uint32_t bits = fw_bits(value);
    const uint32_t magnitude = fw_truncate(bits);
    if ((bits & FW_SIGN) != 0) {
        return magnitude >= FW_SIGN ? INT32_MIN : -(int32_t)magnitude;
    }
    return magnitude >= FW_SIGN ? INT32_MAX : (int32_t)magnitude;
}

uint32_t FW_HELPER(__fixunssfsi)(float value) {
    return (fw_bits(value) & FW_SIGN) != 0 ? 0u : fw_truncate(fw_bits(value));
}

/* e^x = 2^n * e^r with |r| <= ln(2)/2, where a polynomial of degree 6 is good to half a unit in the last
 * place. */
float FW_HELPER(expf)(float x) {
    const uint32_t bits = fw_bits(x);
    if ((bits & ~FW_SIGN) > FW_INFINITY) {
        return x;
    }
    if (x > 88.72284f) {
        return fw_float(FW_INFINITY);
    }
    if (x < -103.97208f) {
        return 0.0f;
    }
    const int32_t n = (int32_t)(x * 1.44269504f + (x < 0.0f ? -0.5f : 0.5f));
    const float steps = (float)n;
    /* ln(2) in two parts, so that the product with a small integer is exact in the first. */
    const float r = (x - steps * 0.693359375f) + steps * 2.12194440e-4f;
    float sum = 1.0f / 5040.0f;
    sum = sum * r + 1.0f / 720.0f;
    sum = sum * r + 1.0f / 120.0f;
    sum = sum * r + 1.0f / 24.0f;
    sum = sum * r + 1.0f / 6.0f;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    /* Two factors, because 2^n alone may be subnormal or infinite where the result is not. */
    const int32_t half = n / 2;
    const float first = fw_float((uint32_t)(half + 127) << 23);
    const float second = fw_float((uint32_t)(n - half + 127) << 23);
    return sum * first * second;
}

#else
typedef int fw_float_unused; /* a translation unit may not be empty */
#endif
