#ifndef BNN_EXPONENTIAL_H
#define BNN_EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

#include "widths.h"

/* e^y = 2^k (1 + p) with p = e^r - 1 by its series, to rounding on |r| <= 0.35, r the rest of y by log 2. For y within
   [-87, 88] in float and [-708, 709] in double, where 2^k is a normal number. */
INLINE void exponential_of_float(float y, float *power, float *p) {
  /* Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits. */
  float shifted = y * 1.44269504f + 12582912.0f;
  float k = shifted - 12582912.0f;
  float r = (y - k * 0.693145752f) - k * 1.4286068e-6f;
  float s = 1.0f / 5040.0f;
  s = s * r + 1.0f / 720.0f;
  s = s * r + 1.0f / 120.0f;
  s = s * r + 1.0f / 24.0f;
  s = s * r + 1.0f / 6.0f;
  s = s * r + 0.5f;
  *p = r + r * r * s;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (UINT32_C(127) << 23);
  memcpy(power, &bits, sizeof *power);
}

INLINE void exponential_of_double(double y, double *power, double *p) {
  double shifted = y * 1.4426950408889634 + 6755399441055744.0;
  double k = shifted - 6755399441055744.0;
  double r = (y - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  double s = 1.0 / 6227020800.0;
  s = s * r + 1.0 / 479001600.0;
  s = s * r + 1.0 / 39916800.0;
  s = s * r + 1.0 / 3628800.0;
  s = s * r + 1.0 / 362880.0;
  s = s * r + 1.0 / 40320.0;
  s = s * r + 1.0 / 5040.0;
  s = s * r + 1.0 / 720.0;
  s = s * r + 1.0 / 120.0;
  s = s * r + 1.0 / 24.0;
  s = s * r + 1.0 / 6.0;
  s = s * r + 0.5;
  *p = r + r * r * s;
  uint64_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 52) + (UINT64_C(1023) << 52);
  memcpy(power, &bits, sizeof *power);
}

#endif
