/* How loops of our own become vector instructions: OC_CLONES makes one version of a static function for each
 * instruction set, and the loader picks; OC_INDEPENDENT stands before a loop whose pointers are equal or do not
 * overlap. */
#ifndef OC_COMPUTE_VECTOR_H
#define OC_COMPUTE_VECTOR_H

#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define OC_SANITIZED 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define OC_SANITIZED 1
#endif
/* The loader's choice runs before a sanitizer has started. */
#if defined __x86_64__ && !defined OC_SANITIZED
#define OC_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define OC_CLONES
#endif

/* A loop whose pointers are equal or do not overlap: it can be vectorised without asking. */
#ifdef __clang__
#define OC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define OC_INDEPENDENT _Pragma("GCC ivdep")
#endif

#endif
