/* Numbers too small to be normal ("denormal"), which x86's vector units compute with some hundred cycles at a time:
 * where training computes they count as 0, as they do on accelerators. Of the calling thread alone; other processors
 * keep them. Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 10.2.3. */
#ifndef OC_BASE_DENORMALS_H
#define OC_BASE_DENORMALS_H

/* From now on this thread's denormal operands and results are 0. Returns the mode before, for oc_denormals_restore. */
unsigned oc_denormals_flush(void);
void oc_denormals_restore(unsigned mode);

#endif
