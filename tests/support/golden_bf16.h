/* The models in bfloat16 against the exact gradients: tests/data/bf16.json holds for each model and tensor how far off
 * its gradient is when PyTorch computes it by autocast in bfloat16, on the batch of the model's other reference numbers
 * but larger. Ours may be twice as far off, and the loss and the norm of all gradients by 2 %. Exact are here those in
 * fp32, which test_golden holds to double precision. */
#ifndef OC_TESTS_SUPPORT_GOLDEN_BF16_H
#define OC_TESTS_SUPPORT_GOLDEN_BF16_H

/* Fails the test unless the models, a list that ends with NULL, or all six (NULL), are near enough; `algorithm` (NULL:
 * any) must compute convolutions of each. */
void golden_bf16_check(const char *algorithm, const char *const *models);

#endif
