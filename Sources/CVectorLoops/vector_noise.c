#include "vector_noise.h"

#include <string.h>

#include "widths.h"

#pragma STDC FP_CONTRACT OFF

/* Words are kept in lanes of 64 bits whose upper halves are of no meaning: a product of two low halves needs no mask. */
INLINE void philox_words(
    uint64_t seed, uint64_t substream, uint64_t block, uint32_t *restrict words, ptrdiff_t blocks) {
  for (ptrdiff_t b = 0; b < blocks; ++b) {
    uint64_t counter = block + (uint64_t)b;
    uint64_t x0 = counter, x1 = counter >> 32, x2 = substream, x3 = substream >> 32;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#pragma clang loop unroll(full)
    for (int round = 0; round < 10; ++round) {
      uint64_t p = UINT64_C(0xD2511F53) * (uint32_t)x0;
      uint64_t q = UINT64_C(0xCD9E8D57) * (uint32_t)x2;
      x0 = (q >> 32) ^ x1 ^ k0;
      x1 = q;
      x2 = (p >> 32) ^ x3 ^ k1;
      x3 = p;
      k0 += UINT32_C(0x9E3779B9);
      k1 += UINT32_C(0xBB67AE85);
    }
    words[4 * b] = (uint32_t)x0;
    words[4 * b + 1] = (uint32_t)x1;
    words[4 * b + 2] = (uint32_t)x2;
    words[4 * b + 3] = (uint32_t)x3;
  }
}

/* -log((v + 1) / 2^32) = -(k log 2 + log(1 + f)) with sqrt(1/2) <= 1 + f < sqrt 2. Where k = 0, f comes from the distance
   to 1 in whole numbers, so that it has all its digits however small it is. The polynomial is that of Cephes' logf. */
INLINE float minus_log(uint32_t v) {
  const uint32_t root_half = UINT32_C(0xB504F334), root_half_bits = UINT32_C(0x3F3504F3);
  float u = (float)(v + 1) * 0x1p-32f;
  uint32_t bits;
  memcpy(&bits, &u, sizeof bits);
  uint32_t shifted = bits - root_half_bits;
  float k = (float)((int32_t)shifted >> 23);
  bits = (shifted & UINT32_C(0x007FFFFF)) + root_half_bits;
  float m;
  memcpy(&m, &bits, sizeof m);
  int near_one = v >= root_half;
  float f = near_one ? (float)(int32_t)(~v & UINT32_C(0x7FFFFFFF)) * -0x1p-32f : m - 1.0f;
  k = near_one ? 0.0f : k;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float square = f * f;
  p = p * f * square - k * 2.12194440e-4f;
  p = p - 0.5f * square;
  return -((f + p) + k * 0.693359375f);
}

/* The two polynomials are those of Cephes' sinf and cosf on |x| <= pi / 4. */
INLINE void normal_pair(uint32_t v, uint32_t w, float *first, float *second) {
  float r = __builtin_elementwise_sqrt(2.0f * minus_log(v));
  /* The nearest quarter of a turn, and what is left as a whole number of 2^-32 turns. */
  uint32_t quarter = (w + (UINT32_C(1) << 29)) >> 30;
  float x = (float)(int32_t)(w - (quarter << 30)) * 1.46291807927e-9f;
  float y = x * x;
  float s = -1.9515295891e-4f;
  s = s * y + 8.3321608736e-3f;
  s = s * y - 1.6666654611e-1f;
  s = s * y * x + x;
  float c = 2.443315711809948e-5f;
  c = c * y - 1.388731625493765e-3f;
  c = c * y + 4.166664568298827e-2f;
  c = c * y * y - 0.5f * y + 1.0f;
  uint32_t odd = quarter & 1;
  float cosine = odd ? s : c, sine = odd ? c : s;
  /* The cosine is negative in the quarters 1 and 2, the sine in 2 and 3. */
  uint32_t cosine_bits, sine_bits;
  memcpy(&cosine_bits, &cosine, sizeof cosine_bits);
  memcpy(&sine_bits, &sine, sizeof sine_bits);
  cosine_bits ^= ((quarter + 1) & 2) << 30;
  sine_bits ^= (quarter & 2) << 30;
  memcpy(&cosine, &cosine_bits, sizeof cosine);
  memcpy(&sine, &sine_bits, sizeof sine);
  *first = r * cosine;
  *second = r * sine;
}

INLINE void normals_of_words(const uint32_t *restrict words, float *restrict normals, ptrdiff_t pairs) {
  for (ptrdiff_t i = 0; i < pairs; ++i) {
    normal_pair(words[2 * i], words[2 * i + 1], &normals[2 * i], &normals[2 * i + 1]);
  }
}

WIDTHS void bnn_philox_words(uint64_t seed, uint64_t substream, uint64_t block, uint32_t *words, ptrdiff_t blocks) {
  philox_words(seed, substream, block, words, blocks);
}

WIDTHS void bnn_normals_of_words(const uint32_t *words, float *normals, ptrdiff_t pairs) {
  normals_of_words(words, normals, pairs);
}

/* Blocks at a time: their words stay in the first cache. */
enum { SLICE = 128 };

WIDTHS void bnn_normals(uint64_t seed, uint64_t substream, uint64_t block, float *normals, ptrdiff_t count) {
  uint32_t words[4 * SLICE];
  for (; count >= 4 * SLICE; count -= 4 * SLICE, block += SLICE, normals += 4 * SLICE) {
    philox_words(seed, substream, block, words, SLICE);
    normals_of_words(words, normals, 2 * SLICE);
  }
  if (count <= 0) return;
  float last[4 * SLICE];
  ptrdiff_t blocks = (count + 3) / 4;
  philox_words(seed, substream, block, words, blocks);
  normals_of_words(words, last, 2 * blocks);
  memcpy(normals, last, (size_t)count * sizeof *normals);
}
