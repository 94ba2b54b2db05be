#ifndef BNN_WIDTHS_H
#define BNN_WIDTHS_H

/* Clones are resolved by the loader, which only glibc's can. */
#if defined(__x86_64__) && defined(__GLIBC__)
#define WIDTHS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDTHS
#endif

#define INLINE static inline __attribute__((always_inline))

#endif
