#include "vector_loops.h"

#include <math.h>

#include "exponential.h"
#include "widths.h"

#pragma STDC FP_CONTRACT OFF

/* tanh x = m/(m + 2) with m = e^{2x} - 1 = 2^k (e^r - 1) + (2^k - 1): no difference of neighbours at any x, so that
   small values keep their digits. */

INLINE float tanh_of_float(float x) {
  /* Beyond 10 the value is 1 to rounding. A comparison with NaN is false and leaves it. */
  float size = fabsf(x), power, p;
  exponential_of_float(2.0f * (size > 10.0f ? 10.0f : size), &power, &p);
  float m = power * p + (power - 1.0f);
  return copysignf(m / (m + 2.0f), x);
}

INLINE double tanh_of_double(double x) {
  double size = fabs(x), power, p;
  exponential_of_double(2.0 * (size > 20.0 ? 20.0 : size), &power, &p);
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
