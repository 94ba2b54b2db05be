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

/* y <- x^2. */
void bnn_squares_float(const float *x, float *y, ptrdiff_t count);
void bnn_squares_double(const double *x, double *y, ptrdiff_t count);

/* y <- a b. */
void bnn_products_float(const float *a, const float *b, float *y, ptrdiff_t count);
void bnn_products_double(const double *a, const double *b, double *y, ptrdiff_t count);

/* g <- 2 g h. */
void bnn_scale_by_twice_float(float *g, const float *h, ptrdiff_t count);
void bnn_scale_by_twice_double(double *g, const double *h, ptrdiff_t count);

/* z <- z + e sqrt(variance) with e = sign * noise, then variance <- e / (2 sqrt(variance)), the slope of z in it: 0 below
   the least normal number, where there is none. */
void bnn_add_noise_float(float *z, float *variance, const float *noise, float sign, ptrdiff_t count);
void bnn_add_noise_double(double *z, double *variance, const float *noise, double sign, ptrdiff_t count);

/* A step of Adam as above for the mean, with mean_gradient + pull, and for rho, the log of the standard deviation, with
   variance * (2 variance_gradient + precision) - 1; then variance <- e^{2 rho}. rho stays within +-43 (float) and +-350
   (double). moments are 4 count numbers: first and second of the mean, first and second of rho. */
void bnn_variational_adam_float(
    float *mean, float *rho, float *variance, const float *mean_gradient, const float *variance_gradient,
    const float *pull, const float *precision, float *moments, ptrdiff_t count, float length, float root);
void bnn_variational_adam_double(
    double *mean, double *rho, double *variance, const double *mean_gradient, const double *variance_gradient,
    const double *pull, const double *precision, double *moments, ptrdiff_t count, double length, double root);

/* A draw of independent normal weights: theta <- mean + sign * noise * deviation. */
void bnn_newton_draw_float(
    float *theta, const float *mean, const float *deviation, const float *noise, float sign, ptrdiff_t count);
void bnn_newton_draw_double(
    double *theta, const double *mean, const double *deviation, const float *noise, double sign, ptrdiff_t count);

/* Adds a draw's gradient to the sum of gradients, and sign * noise * gradient to that of products. */
void bnn_newton_collect_float(
    float *gradients, float *products, const float *gradient, const float *noise, float sign, ptrdiff_t count);
void bnn_newton_collect_double(
    double *gradients, double *products, const double *gradient, const float *noise, double sign, ptrdiff_t count);

/* A step of variational online Newton: with s the deviation, p = 1 / s^2 and
   f = products / s + prior - p,   average <- keep average + (1 - keep) gradients,
   p <- p + follow f + (follow f)^2 / (2 p),   mean <- mean - rate (unbiased average + pull) / p;
   then deviation <- 1 / sqrt(p), and both sums are 0 again. */
void bnn_newton_move_float(
    float *mean, float *deviation, float *average, float *gradients, float *products, const float *pull,
    const float *prior, ptrdiff_t count, float rate, float keep, float unbiased, float follow);
void bnn_newton_move_double(
    double *mean, double *deviation, double *average, double *gradients, double *products, const double *pull,
    const double *prior, ptrdiff_t count, double rate, double keep, double unbiased, double follow);

#endif
