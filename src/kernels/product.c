/* The micro-kernels of product.h: R rows by J vectors of sums stay in registers while the sum runs; each step loads J
 * vectors and spreads R single steps' numbers. The register blocking is what a level's registers hold, as in Van Zee &
 * van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS Functionality", ACM TOMS 2015. */
#include "kernels/product.h"

#include "kernels/lanes.h"

/* ROWS × VECTORS sums for a·b, and T_ROWS × T_VECTORS for aᵀ·b, whose rows are numbers of one vector, so that T_ROWS
 * divides OC_LANES. At two multiply-adds a cycle and a latency of four, eight or more sums hide it; more of them spare
 * loads. */
#if defined OC_LEVEL_AVX512 || defined OC_PRODUCTS_BF16
#define ROWS 6
#define VECTORS 4
#define T_ROWS 8
#define T_VECTORS 3
#elif defined OC_LEVEL_AVX2
#define ROWS 6
#define VECTORS 2
#define T_ROWS 4
#define T_VECTORS 3
#else /* a vector is a pair of registers, of which there are sixteen */
#define ROWS 6
#define VECTORS 1
#define T_ROWS 4
#define T_VECTORS 1
#endif

/* Steps by which a·b asks for a panel before it reads it, those of a run: with few rows panels come from memory. */
#define AHEAD (OC_PRODUCT_RUN / OC_STEP)
#define LINE 64 /* bytes that come at once */

/* Blocks of OC_LANES numbers of a sum between which it is put down. */
#define RUN (OC_PRODUCT_RUN / OC_LANES)

/* How the factors are read: operands between rows of the product and between steps of the sum in a; between steps and
 * between vectors in b. */
typedef struct reading {
    int64_t a_row, a_step, b_step, b_vector;
    int64_t ahead; /* operands of b that are asked for before they are read; 0: none */
} reading;

/* The sums of a micro-kernel, and where they go. */
typedef oc_floats sums[ROWS > T_ROWS ? ROWS : T_ROWS][VECTORS > T_VECTORS ? VECTORS : T_VECTORS];

/* `steps` steps of R × J sums. */
OC_INLINE void run(const int R, const int J, const reading by, const oc_operand *a, const oc_operand *b,
                   const int64_t steps, sums sum) {
#pragma GCC unroll 8
    for (int64_t k = 0; k < steps; k++) {
        oc_operands right[4];
        for (int j = 0; by.ahead && j < J; j += LINE / (int)sizeof *right)
            __builtin_prefetch(b + k * by.b_step + j * by.b_vector + by.ahead);
#pragma GCC unroll 4
        for (int j = 0; j < J; j++) right[j] = oc_load_operands(b + k * by.b_step + j * by.b_vector);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
            const oc_operands left = oc_spread_operands(a + r * by.a_row + k * by.a_step);
#pragma GCC unroll 4
            for (int j = 0; j < J; j++) sum[r][j] = oc_multiply_add(left, right[j], sum[r][j]);
        }
    }
}

OC_INLINE void clear(const int R, const int J, sums sum) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int j = 0; j < J; j++) sum[r][j] = (oc_floats){0};
}

OC_INLINE void put(const int R, const int J, sums sum, float *c, int64_t c_block, bool add) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int j = 0; j < J; j++) {
            float *at = c + j * c_block + r * OC_LANES;
            if (add) sum[r][j] += oc_load(at);
            oc_store(at, sum[r][j]);
        }
}

/* ROWS rows of a·b over `inner` blocks of the sum, for a panel of J vectors. */
OC_INLINE void rows_of_panel(const int J, float *c, int64_t c_block, oc_factor a, const oc_operand *b, int64_t inner,
                             bool add) {
    const int64_t vector = OC_LANES * OC_STEP;
    const reading by = {OC_LANES, OC_STEP, J * vector, vector, AHEAD * J * vector};
    sums sum;
    clear(ROWS, J, sum);
    for (int64_t i = 0; i < inner; i++, a.at += a.block, b += J * OC_LANES * OC_LANES)
        run(ROWS, J, by, a.at, b, OC_LANES / OC_STEP, sum);
    put(ROWS, J, sum, c, c_block, add);
}

OC_INLINE void panel(const int J, oc_product m, oc_factor a, const oc_operand *b, int64_t rows, int64_t inner,
                     bool add) {
    for (int64_t t = 0; t < rows; t += ROWS)
        rows_of_panel(J, m.at + t * OC_LANES, m.block, (oc_factor){a.at + t * OC_LANES, a.block}, b, inner, add);
}

static void multiply(oc_product m, oc_factor a, const oc_operand *b, int64_t rows, int64_t inner, int64_t blocks,
                     bool add) {
    for (int64_t done = 0; done < inner; done += RUN) {
        const int64_t steps = inner - done < RUN ? inner - done : RUN;
        const oc_factor left = {a.at + done * a.block, a.block};
        for (int64_t o = 0; o < blocks; o += VECTORS) {
            const oc_panel where = oc_panel_of(VECTORS, inner * OC_LANES, blocks, o);
            const oc_product to = {m.at + o * m.block, m.block};
            const oc_operand *right = b + where.at + done * OC_LANES / OC_STEP * where.step;
            switch (where.step / (OC_LANES * OC_STEP)) {
#if VECTORS > 2
            case 4:
                panel(4, to, left, right, rows, steps, add || done > 0);
                break;
            case 3:
                panel(3, to, left, right, rows, steps, add || done > 0);
                break;
#endif
#if VECTORS > 1
            case 2:
                panel(2, to, left, right, rows, steps, add || done > 0);
                break;
#endif
            default:
                panel(1, to, left, right, rows, steps, add || done > 0);
            }
        }
    }
}

/* T_ROWS rows of aᵀ·b for J vectors. */
OC_INLINE void rows_transposed(const int J, float *s, int64_t s_block, const oc_operand *a, oc_factor b, int64_t rows,
                               bool add) {
    const int64_t vector = OC_LANES * OC_STEP, steps = oc_divide_up(rows, OC_STEP);
    const reading by = {OC_STEP, vector, vector, b.block, 0};
    sums sum;
    clear(T_ROWS, J, sum);
    int64_t k = 0;
    for (; k + 8 <= steps; k += 8) run(T_ROWS, J, by, a + k * vector, b.at + k * vector, 8, sum);
    for (; k < steps; k++) run(T_ROWS, J, by, a + k * vector, b.at + k * vector, 1, sum);
    put(T_ROWS, J, sum, s, s_block, add);
}

OC_INLINE void columns_transposed(const int J, oc_product s, oc_factor a, oc_factor b, int64_t sa, int64_t rows,
                                  bool add) {
    for (int64_t i = 0; i < sa; i++)
        for (int64_t r = 0; r < OC_LANES; r += T_ROWS)
            rows_transposed(J, s.at + (i * OC_LANES + r) * OC_LANES, s.block, a.at + i * a.block + r * OC_STEP, b, rows,
                            add);
}

static void multiply_transposed(oc_product s, oc_factor a, oc_factor b, int64_t sa, int64_t sb, int64_t rows,
                                bool add) {
    for (int64_t o = 0, width; o < sb; o += width) {
        const int64_t left = sb - o;
        const oc_product to = {s.at + o * s.block, s.block};
        const oc_factor right = {b.at + o * b.block, b.block};
        width = left < T_VECTORS ? left : T_VECTORS;
        if (T_VECTORS == 3 && left == 4) width = 2; /* 2 + 2 rather than 3 + 1 */
        switch (width) {
#if T_VECTORS > 2
        case 3:
            columns_transposed(3, to, a, right, sa, rows, add);
            break;
        case 2:
            columns_transposed(2, to, a, right, sa, rows, add);
            break;
#endif
        default:
            columns_transposed(1, to, a, right, sa, rows, add);
        }
    }
}

const oc_product_kernels OC_PRODUCT_KERNELS = {
    .rows = ROWS,
    .vectors = VECTORS,
    .multiply = multiply,
    .multiply_transposed = multiply_transposed,
};
