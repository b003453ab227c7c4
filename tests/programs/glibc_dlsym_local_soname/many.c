// Thousands of references, so that a table of the global scope is worth its price.
#include <stdio.h>
#define TEN(what) what, what, what, what, what, what, what, what, what, what
#define BOTH (void *)printf, (void *)puts
void *many[] = {TEN(TEN(TEN(TEN(BOTH))))};
