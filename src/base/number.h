/* Numbers as text, the same under every locale that the program around the library may have set. */
#ifndef OC_BASE_NUMBER_H
#define OC_BASE_NUMBER_H

/* strtod in the "C" locale: the number that `text` begins with; *end = what follows it (`text`: none). */
double oc_number_read(const char *text, char **end);

/* The shortest decimal that reads back as the same double; whole numbers below 10^15 without an exponent. */
void oc_number_write(double number, char text[32]);

#endif
