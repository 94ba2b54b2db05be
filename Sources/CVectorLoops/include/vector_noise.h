#ifndef BNN_VECTOR_NOISE_H
#define BNN_VECTOR_NOISE_H

#include <stddef.h>
#include <stdint.h>

/* Normal noise in bulk, as the loops of vector_loops.h: the same bits at every width of vectors. */

/* words[4b ..< 4b + 4] <- Philox4x32-10 (Salmon et al. 2011) of the 128-bit counter (block + b, substream) under the key
   seed, each low word first, for b of 0 ..< blocks. */
void bnn_philox_words(uint64_t seed, uint64_t substream, uint64_t block, uint32_t *words, ptrdiff_t blocks);

/* Box and Muller (1958): from each pair of words (v, w) the pair r cos a, r sin a with r = sqrt(-2 log((v + 1) / 2^32))
   and a = 2 pi w / 2^32. Each is within 4 epsilon (2^-23) of that, relative to its own size: also where r or one of the
   two is small. |r| <= 6.6604; never infinite or NaN. */
void bnn_normals_of_words(const uint32_t *words, float *normals, ptrdiff_t pairs);

/* normals[0 ..< count] from the words of blocks block, block + 1, ...: four of a block, the rest of the last unused. */
void bnn_normals(uint64_t seed, uint64_t substream, uint64_t block, float *normals, ptrdiff_t count);

#endif
