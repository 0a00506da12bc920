/* Faults on purpose, for tests of saving: file.c compiled with OC_FAULT_INJECTION defines these two, the library
 * itself never does. A test executable compiles file.c a second time that way and links it before the library. Not
 * for more than one thread. */
#ifndef OC_BASE_FAULT_H
#define OC_BASE_FAULT_H

/* The `nth` (>= 1) operation from now that a save makes (open, write, truncate, sync of a file, rename, sync of a
 * folder) fails with `error_number`; later ones work again. error_number 0: that operation, if it is a write, writes
 * one byte only, and succeeds. nth 0 disarms. */
void oc_fault_arm(long nth, int error_number);

/* Operations since the last oc_fault_arm. */
long oc_fault_count(void);

#endif
