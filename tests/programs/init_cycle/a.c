#include "bare.h"
int counter_a;
extern int counter_b;
__attribute__((constructor)) static void init(void) { counter_a++; put("a init\n"); }
__attribute__((destructor)) static void fini(void) { put("a fini\n"); }
int needs_b(void) { return counter_b; }
