#include <float.h>

#include "exponential.h"
#include "vector_loops.h"
#include "widths.h"

#pragma STDC FP_CONTRACT OFF

/* LEAST is the least variance with a slope. The limits keep e^{2 rho} a normal number. */
#define LOOPS(REAL, NAME, LEAST, LOWEST, HIGHEST)                                                                      \
  WIDTHS void bnn_squares_##NAME(const REAL *restrict x, REAL *restrict y, ptrdiff_t count) {                          \
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = x[i] * x[i];                                                          \
  }                                                                                                                    \
  WIDTHS void bnn_products_##NAME(                                                                                     \
      const REAL *restrict a, const REAL *restrict b, REAL *restrict y, ptrdiff_t count) {                             \
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = a[i] * b[i];                                                          \
  }                                                                                                                    \
  WIDTHS void bnn_scale_by_twice_##NAME(REAL *restrict g, const REAL *restrict h, ptrdiff_t count) {                   \
    for (ptrdiff_t i = 0; i < count; ++i) g[i] *= 2 * h[i];                                                            \
  }                                                                                                                    \
  WIDTHS void bnn_add_noise_##NAME(                                                                                    \
      REAL *restrict z, REAL *restrict variance, const float *restrict noise, REAL sign, ptrdiff_t count) {            \
    for (ptrdiff_t i = 0; i < count; ++i) {                                                                            \
      REAL s = variance[i], e = sign * (REAL)noise[i];                                                                 \
      REAL root = __builtin_elementwise_sqrt(s);                                                                       \
      z[i] += root * e;                                                                                                \
      variance[i] = s < LEAST ? 0 : e / (2 * root);                                                                    \
    }                                                                                                                  \
  }                                                                                                                    \
  WIDTHS void bnn_newton_draw_##NAME(                                                                                  \
      REAL *restrict theta, const REAL *restrict mean, const REAL *restrict deviation, const float *restrict noise,    \
      REAL sign, ptrdiff_t count) {                                                                                    \
    for (ptrdiff_t i = 0; i < count; ++i) theta[i] = mean[i] + sign * (REAL)noise[i] * deviation[i];                   \
  }                                                                                                                    \
  WIDTHS void bnn_newton_collect_##NAME(                                                                               \
      REAL *restrict gradients, REAL *restrict products, const REAL *restrict gradient, const float *restrict noise,   \
      REAL sign, ptrdiff_t count) {                                                                                    \
    for (ptrdiff_t i = 0; i < count; ++i) {                                                                            \
      gradients[i] += gradient[i];                                                                                     \
      products[i] += sign * (REAL)noise[i] * gradient[i];                                                              \
    }                                                                                                                  \
  }                                                                                                                    \
  WIDTHS void bnn_newton_move_##NAME(                                                                                  \
      REAL *restrict mean, REAL *restrict deviation, REAL *restrict average, REAL *restrict gradients,                 \
      REAL *restrict products, const REAL *restrict pull, const REAL *restrict prior, ptrdiff_t count, REAL rate,      \
      REAL keep, REAL unbiased, REAL follow) {                                                                         \
    for (ptrdiff_t i = 0; i < count; ++i) {                                                                            \
      REAL s = deviation[i], root = 1 / s, p = root * root;                                                            \
      REAL step = follow * (products[i] * root + prior[i] - p);                                                        \
      REAL first = keep * average[i] + (1 - keep) * gradients[i];                                                      \
      REAL next = p + step + (REAL)0.5 * step * step * (s * s), variance = 1 / next;                                   \
      average[i] = first;                                                                                              \
      mean[i] -= rate * (unbiased * first + pull[i]) * variance;                                                       \
      deviation[i] = __builtin_elementwise_sqrt(variance);                                                             \
      gradients[i] = 0;                                                                                                \
      products[i] = 0;                                                                                                 \
    }                                                                                                                  \
  }                                                                                                                    \
  WIDTHS void bnn_variational_adam_##NAME(                                                                             \
      REAL *restrict mean, REAL *restrict rho, REAL *restrict variance, const REAL *restrict mean_gradient,            \
      const REAL *restrict variance_gradient, const REAL *restrict pull, const REAL *restrict precision,               \
      REAL *restrict moments, ptrdiff_t count, REAL length, REAL root) {                                               \
    const REAL keep_first = (REAL)0.9, keep_second = (REAL)0.999, least = (REAL)1e-8;                                  \
    const REAL take_first = 1 - keep_first, take_second = 1 - keep_second;                                             \
    REAL *restrict m1 = moments, *restrict m2 = moments + count;                                                       \
    REAL *restrict r1 = moments + 2 * count, *restrict r2 = moments + 3 * count;                                       \
    for (ptrdiff_t i = 0; i < count; ++i) {                                                                            \
      REAL g = mean_gradient[i] + pull[i];                                                                             \
      REAL first = keep_first * m1[i] + take_first * g;                                                                \
      REAL second = keep_second * m2[i] + take_second * g * g;                                                         \
      m1[i] = first;                                                                                                   \
      m2[i] = second;                                                                                                  \
      mean[i] -= length * first / (__builtin_elementwise_sqrt(second) * root + least);                                 \
      REAL v = variance[i];                                                                                            \
      g = v * (2 * variance_gradient[i] + precision[i]) - 1;                                                           \
      first = keep_first * r1[i] + take_first * g;                                                                     \
      second = keep_second * r2[i] + take_second * g * g;                                                              \
      r1[i] = first;                                                                                                   \
      r2[i] = second;                                                                                                  \
      REAL y = rho[i] - length * first / (__builtin_elementwise_sqrt(second) * root + least);                          \
      y = y < LOWEST ? LOWEST : y;                                                                                     \
      y = y > HIGHEST ? HIGHEST : y;                                                                                   \
      rho[i] = y;                                                                                                      \
      REAL power, p;                                                                                                   \
      exponential_of_##NAME(2 * y, &power, &p);                                                                        \
      variance[i] = power * p + power;                                                                                 \
    }                                                                                                                  \
  }

LOOPS(float, float, FLT_MIN, -43.0f, 43.0f)
LOOPS(double, double, DBL_MIN, -350.0, 350.0)
