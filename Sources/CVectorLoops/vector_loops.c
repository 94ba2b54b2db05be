#include "vector_loops.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "widths.h"

#pragma STDC FP_CONTRACT OFF

/* tanh x = m/(m + 2) with m = e^{2x} - 1 = 2^k (e^r - 1) + (2^k - 1), r the rest of 2x by log 2: no difference of
   neighbours at any x, so that small values keep their digits. e^r - 1 by its series, to rounding on |r| <= 0.35. */

static inline __attribute__((always_inline)) float tanh_of_float(float x) {
  /* Beyond 10 the value is 1 to rounding. A comparison with NaN is false and leaves it. */
  float size = fabsf(x);
  float y = 2.0f * (size > 10.0f ? 10.0f : size);
  /* Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits. */
  float shifted = y * 1.44269504f + 12582912.0f;
  float k = shifted - 12582912.0f;
  float r = (y - k * 0.693145752f) - k * 1.4286068e-6f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = r + r * r * p;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (UINT32_C(127) << 23);
  float power;
  memcpy(&power, &bits, sizeof power);
  float m = power * p + (power - 1.0f);
  return copysignf(m / (m + 2.0f), x);
}

static inline __attribute__((always_inline)) double tanh_of_double(double x) {
  double size = fabs(x);
  double y = 2.0 * (size > 20.0 ? 20.0 : size);
  double shifted = y * 1.4426950408889634 + 6755399441055744.0;
  double k = shifted - 6755399441055744.0;
  double r = (y - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = r + r * r * p;
  uint64_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 52) + (UINT64_C(1023) << 52);
  double power;
  memcpy(&power, &bits, sizeof power);
  double m = power * p + (power - 1.0);
  return copysign(m / (m + 2.0), x);
}

/* Not h > 0 ? g : 0 for relu: a NaN among the values must stay one. */
#define LOOPS(REAL, NAME, ROOT)                                                                                        \
  WIDTHS void bnn_relu_##NAME(REAL *z, ptrdiff_t count) {                                                              \
    for (ptrdiff_t i = 0; i < count; ++i) z[i] = z[i] < 0 ? 0 : z[i];                                                  \
  }                                                                                                                    \
  WIDTHS void bnn_relu_backward_##NAME(const REAL *restrict h, REAL *restrict g, ptrdiff_t count) {                    \
    for (ptrdiff_t i = 0; i < count; ++i) g[i] = h[i] <= 0 ? 0 : g[i];                                                 \
  }                                                                                                                    \
  WIDTHS void bnn_tanh_##NAME(REAL *z, ptrdiff_t count) {                                                              \
    for (ptrdiff_t i = 0; i < count; ++i) z[i] = tanh_of_##NAME(z[i]);                                                 \
  }                                                                                                                    \
  WIDTHS void bnn_tanh_backward_##NAME(const REAL *restrict h, REAL *restrict g, ptrdiff_t count) {                    \
    for (ptrdiff_t i = 0; i < count; ++i) g[i] *= 1 - h[i] * h[i];                                                     \
  }                                                                                                                    \
  WIDTHS void bnn_adam_##NAME(                                                                                         \
      REAL *restrict theta, const REAL *restrict gradient, const REAL *restrict pull, REAL *restrict first,            \
      REAL *restrict second, ptrdiff_t count, REAL length, REAL root) {                                                \
    const REAL keep_first = (REAL)0.9, keep_second = (REAL)0.999, least = (REAL)1e-8;                                  \
    const REAL take_first = 1 - keep_first, take_second = 1 - keep_second;                                             \
    for (ptrdiff_t i = 0; i < count; ++i) {                                                                            \
      REAL g = gradient[i] + pull[i];                                                                                  \
      REAL m = keep_first * first[i] + take_first * g;                                                                 \
      REAL v = keep_second * second[i] + take_second * g * g;                                                          \
      first[i] = m;                                                                                                    \
      second[i] = v;                                                                                                   \
      theta[i] -= length * m / (ROOT(v) * root + least);                                                               \
    }                                                                                                                  \
  }

/* These, unlike sqrt, need not set errno, which would keep the loop from being vectorised. */
LOOPS(float, float, __builtin_elementwise_sqrt)
LOOPS(double, double, __builtin_elementwise_sqrt)
