// GSL's own gsl_cblas.h declares CBLAS_TRANSPOSE without OpenBLAS's CblasConjNoTrans; Swift then sees two
// definitions of one enum. OpenBLAS's header comes first and stands in for it, so both modules agree.
#define __GSL_CBLAS_H__
#include <cblas.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_roots.h>
#include <gsl/gsl_sf_erf.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sf_log.h>
#include <gsl/gsl_sf_psi.h>

// GSL's types of generators and solvers are global variables, which Swift 6 rightly refuses to read from concurrent
// code; these read them in C.
static inline void bnn_gsl_disable_abort(void) { gsl_set_error_handler_off(); }
static inline const gsl_root_fsolver_type *bnn_gsl_brent(void) { return gsl_root_fsolver_brent; }
