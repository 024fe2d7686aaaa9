/* SPDX-License-Identifier: Apache-2.0 */
/* kernels-poly.c - after kinds of PolyBench/C: linear algebra, stencils, dynamic programming. Written for this project. */

#include "kernels.h"

enum { SIDE = 400 };
static double matrix[SIDE][SIDE], other[SIDE][SIDE], vector_x[SIDE], vector_y[SIDE];

static void fill(double m[SIDE][SIDE], uint32_t seed)
{
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            m[i][j] = 1.0 + random_next(&seed) % 1000 / 1000.0;
        }
    }
}

static uint64_t matrix_check(double m[SIDE][SIDE])
{
    uint64_t check = 1;
    for (int i = 0; i < SIDE; i++) {
        for (int j = i % 7; j < SIDE; j += 7) {
            check = check_next(check, bits_of(m[i][j]));
        }
    }
    return check;
}

/* 2-D five-point stencil, two grids in turn. */
static uint64_t kernel_jacobi(void)
{
    fill(matrix, 1);
    memcpy(other, matrix, sizeof(other));
    for (int step = 0; step < 60; step++) {
        for (int i = 1; i < SIDE - 1; i++) {
            for (int j = 1; j < SIDE - 1; j++) {
                other[i][j] = 0.2 * (matrix[i][j] + matrix[i][j - 1] + matrix[i][j + 1] + matrix[i + 1][j] + matrix[i - 1][j]);
            }
        }
        for (int i = 1; i < SIDE - 1; i++) {
            for (int j = 1; j < SIDE - 1; j++) {
                matrix[i][j] = 0.2 * (other[i][j] + other[i][j - 1] + other[i][j + 1] + other[i + 1][j] + other[i - 1][j]);
            }
        }
    }
    return matrix_check(matrix);
}

/* Gauss-Seidel: nine points in place, every value needs the one before. */
static uint64_t kernel_seidel(void)
{
    fill(matrix, 2);
    for (int step = 0; step < 10; step++) {
        for (int i = 1; i < SIDE - 1; i++) {
            for (int j = 1; j < SIDE - 1; j++) {
                matrix[i][j] = (matrix[i - 1][j - 1] + matrix[i - 1][j] + matrix[i - 1][j + 1] + matrix[i][j - 1] + matrix[i][j] +
                                matrix[i][j + 1] + matrix[i + 1][j - 1] + matrix[i + 1][j] + matrix[i + 1][j + 1]) / 9.0;
            }
        }
    }
    return matrix_check(matrix);
}

static uint64_t kernel_lu(void)
{
    fill(matrix, 3);
    for (int i = 0; i < SIDE; i++) {
        matrix[i][i] += SIDE * 2.0;
    }
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < i; j++) {
            for (int k = 0; k < j; k++) {
                matrix[i][j] -= matrix[i][k] * matrix[k][j];
            }
            matrix[i][j] /= matrix[j][j];
        }
        for (int j = i; j < SIDE; j++) {
            for (int k = 0; k < i; k++) {
                matrix[i][j] -= matrix[i][k] * matrix[k][j];
            }
        }
    }
    return matrix_check(matrix);
}

/* y = A^T (A x), many times. */
static uint64_t kernel_atax(void)
{
    fill(matrix, 4);
    for (int i = 0; i < SIDE; i++) {
        vector_x[i] = 1.0 + i / (double)SIDE;
    }
    for (int pass = 0; pass < 60; pass++) {
        memset(vector_y, 0, sizeof(vector_y));
        for (int i = 0; i < SIDE; i++) {
            double sum = 0;
            for (int j = 0; j < SIDE; j++) {
                sum += matrix[i][j] * vector_x[j];
            }
            for (int j = 0; j < SIDE; j++) {
                vector_y[j] += matrix[i][j] * sum;
            }
        }
        for (int i = 0; i < SIDE; i++) {
            vector_x[i] = vector_y[i] / 1e6;
        }
    }
    uint64_t check = 1;
    for (int i = 0; i < SIDE; i++) {
        check = check_next(check, bits_of(vector_y[i]));
    }
    return check;
}

static uint64_t kernel_floyd(void)
{
    static int32_t path[SIDE][SIDE];
    uint32_t seed = 5;
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            path[i][j] = random_next(&seed) % 8 == 0 ? (int32_t)(random_next(&seed) % 1000) + 1 : 100000;
        }
    }
    for (int k = 0; k < SIDE / 2; k++) {
        for (int i = 0; i < SIDE; i++) {
            for (int j = 0; j < SIDE; j++) {
                const int32_t through = path[i][k] + path[k][j];
                path[i][j] = path[i][j] < through ? path[i][j] : through;
            }
        }
    }
    uint64_t check = 1;
    for (int i = 0; i < SIDE; i++) {
        check = check_next(check, (uint64_t)path[i][(i * 3) % SIDE]);
    }
    return check;
}

/* Covariance: columns, so strided loads. */
static uint64_t kernel_covariance(void)
{
    enum { COLUMNS = 160 };
    fill(matrix, 6);
    for (int j = 0; j < COLUMNS; j++) {
        double mean = 0;
        for (int i = 0; i < SIDE; i++) {
            mean += matrix[i][j];
        }
        mean /= SIDE;
        for (int i = 0; i < SIDE; i++) {
            matrix[i][j] -= mean;
        }
    }
    uint64_t check = 1;
    for (int i = 0; i < COLUMNS; i++) {
        for (int j = i; j < COLUMNS; j++) {
            double sum = 0;
            for (int k = 0; k < SIDE; k++) {
                sum += matrix[k][i] * matrix[k][j];
            }
            check = check_next(check, bits_of(sum / (SIDE - 1.0)));
        }
    }
    return check;
}

const Kernel kernels[] = {
    {"jacobi", kernel_jacobi}, {"seidel", kernel_seidel}, {"lu", kernel_lu}, {"atax", kernel_atax},
    {"floyd", kernel_floyd}, {"covariance", kernel_covariance}, {NULL, NULL},
};
