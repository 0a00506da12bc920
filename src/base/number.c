/* Numbers as text: digits and point must not depend on the caller's locale, so both run in the "C" one. */
#define _POSIX_C_SOURCE 200809L
#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double oc_number_read(const char *text, char **end) {
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = c ? uselocale(c) : (locale_t)0;
    double number = strtod(text, end);
    if (c) {
        uselocale(before);
        freelocale(c);
    }
    return number;
}

void oc_number_write(double number, char text[32]) {
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = c ? uselocale(c) : (locale_t)0;
    if (fabs(number) < 1e15 && number == floor(number)) {
        snprintf(text, 32, "%.0f", number);
    } else {
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(text, 32, "%.*g", digits, number);
            if (strtod(text, NULL) == number) break;
        }
    }
    if (c) {
        uselocale(before);
        freelocale(c);
    }
}
