/* The version of these headers, the one place where it is written: the build reads it from here.
 *
 * Versions are semantic (semver.org), with this rule for the time before 1.0: a new MINOR may change the interface and
 * the ABI, a new PATCH changes neither. The shared library's name says which ABI it has: libocelli.so.0.1 until 0.2. */
#ifndef OCELLI_VERSION_H
#define OCELLI_VERSION_H

#define OC_VERSION_MAJOR 0 /* changes with what may break programs, from 1 on */
#define OC_VERSION_MINOR 1 /* changes with what is new, and before 1.0 with what may break programs */
#define OC_VERSION_PATCH 0 /* changes with what was mended */

/* The version as one number that grows with it, 10203 for 1.2.3, for the preprocessor to compare. */
#define OC_VERSION_NUMBER (OC_VERSION_MAJOR * 10000 + OC_VERSION_MINOR * 100 + OC_VERSION_PATCH)

#define OC_VERSION_TEXT_(x) #x                 /* for OC_VERSION_TEXT alone */
#define OC_VERSION_TEXT(x) OC_VERSION_TEXT_(x) /* what `x` expands to, as a string; for OC_VERSION_STRING alone */
/* "MAJOR.MINOR.PATCH" */
#define OC_VERSION_STRING                                                                                              \
    OC_VERSION_TEXT(OC_VERSION_MAJOR) "." OC_VERSION_TEXT(OC_VERSION_MINOR) "." OC_VERSION_TEXT(OC_VERSION_PATCH)

#endif
