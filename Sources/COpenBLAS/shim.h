#include <cblas.h>

// LAPACK's Fortran symbols, as exported by libopenblas (Debian builds it without LAPACKE). All matrices are
// column-major; a row-major matrix is its transpose, so nothing is copied. Hidden string lengths are omitted:
// LAPACK never reads them for one-letter arguments.
typedef int lapack_int_t;
#define LP const lapack_int_t *

void dpotrf_(const char *uplo, LP n, double *a, LP lda, lapack_int_t *info);
void dpotri_(const char *uplo, LP n, double *a, LP lda, lapack_int_t *info);
void dtrtri_(const char *uplo, const char *diag, LP n, double *a, LP lda, lapack_int_t *info);
void dgesv_(LP n, LP nrhs, double *a, LP lda, lapack_int_t *pivots, double *b, LP ldb, lapack_int_t *info);
void dgelqf_(LP m, LP n, double *a, LP lda, double *tau, double *work, LP lwork, lapack_int_t *info);
void dgeqrf_(LP m, LP n, double *a, LP lda, double *tau, double *work, LP lwork, lapack_int_t *info);
void dorgqr_(LP m, LP n, LP k, double *a, LP lda, const double *tau, double *work, LP lwork, lapack_int_t *info);
void dgelqt_(LP m, LP n, LP mb, double *a, LP lda, double *t, LP ldt, double *work, lapack_int_t *info);
void dtplqt_(LP m, LP n, LP l, LP mb, double *a, LP lda, double *b, LP ldb, double *t, LP ldt, double *work,
             lapack_int_t *info);
void dgebrd_(LP m, LP n, double *a, LP lda, double *d, double *e, double *tauq, double *taup, double *work,
             LP lwork, lapack_int_t *info);
void dormbr_(const char *vect, const char *side, const char *trans, LP m, LP n, LP k, const double *a, LP lda,
             const double *tau, double *c, LP ldc, double *work, LP lwork, lapack_int_t *info);
void dbdsqr_(const char *uplo, LP n, LP ncvt, LP nru, LP ncc, double *d, double *e, double *vt, LP ldvt,
             double *u, LP ldu, double *c, LP ldc, double *work, lapack_int_t *info);
void dsyevd_(const char *jobz, const char *uplo, LP n, double *a, LP lda, double *w, double *work, LP lwork,
             lapack_int_t *iwork, LP liwork, lapack_int_t *info);
void dgesdd_(const char *jobz, LP m, LP n, double *a, LP lda, double *s, double *u, LP ldu, double *vt, LP ldvt,
             double *work, LP lwork, lapack_int_t *iwork, lapack_int_t *info);
#undef LP

// Ends OpenBLAS's own worker threads; absent from builds without threads, hence weak.
int blas_thread_shutdown_(void) __attribute__((weak));
static inline void bnn_end_blas_workers(void) {
  if (blas_thread_shutdown_) blas_thread_shutdown_();
}

// Which shared object cblas_dgemm comes from. GSL brings a reference BLAS of its own into the process, and a silent fall
// to that one would cost an order of magnitude. Dl_info exists only under _GNU_SOURCE, hence the private declaration.
struct bnn_dl_info { const char *file; void *base; const char *symbol; void *address; };
int bnn_dladdr(const void *address, struct bnn_dl_info *info) __asm__("dladdr");
static inline const char *bnn_blas_object(void) {
  struct bnn_dl_info info = {0, 0, 0, 0};
  return bnn_dladdr((const void *)(unsigned long)&cblas_dgemm, &info) ? info.file : 0;
}
