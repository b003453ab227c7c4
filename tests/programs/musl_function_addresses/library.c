// Addresses of functions as a library sees them.
#include <stdlib.h>
extern int called_back(void);
int answer(void) { return 42; }
void *address_of_answer(void) { return answer; }
void *address_of_qsort(void) { return qsort; }
int call(void) { return called_back(); }
