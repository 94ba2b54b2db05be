#ifndef BNN_VECTOR_LOOPS_H
#define BNN_VECTOR_LOOPS_H

#include <stddef.h>

/* The elementwise loops of training, compiled for several widths of vectors and chosen when the program starts. Products
   and sums are never contracted, so that every width gives the same bits. Noise is in vector_noise.h. */

/* z <- max(0, z); NaN stays NaN. */
void bnn_relu_float(float *z, ptrdiff_t count);
void bnn_relu_double(double *z, ptrdiff_t count);

/* g <- 0 where h <= 0. */
void bnn_relu_backward_float(const float *h, float *g, ptrdiff_t count);
void bnn_relu_backward_double(const double *h, double *g, ptrdiff_t count);

/* z <- tanh(z), within 2 epsilon of the value; NaN stays NaN. */
void bnn_tanh_float(float *z, ptrdiff_t count);
void bnn_tanh_double(double *z, ptrdiff_t count);

/* g <- g (1 - h^2). */
void bnn_tanh_backward_float(const float *h, float *g, ptrdiff_t count);
void bnn_tanh_backward_double(const double *h, double *g, ptrdiff_t count);

/* A step of Adam with gradient + pull, decays 0.9 and 0.999:
   theta <- theta - length * first / (sqrt(second) * root + 1e-8). */
void bnn_adam_float(
    float *theta, const float *gradient, const float *pull, float *first, float *second, ptrdiff_t count, float length,
    float root);
void bnn_adam_double(
    double *theta, const double *gradient, const double *pull, double *first, double *second, ptrdiff_t count,
    double length, double root);

#endif
