#include "bare.h"
int counter_b;
extern int counter_a;
__attribute__((constructor)) static void init(void) { counter_b++; put("b init\n"); }
__attribute__((destructor)) static void fini(void) { put("b fini\n"); }
int needs_a(void) { return counter_a; }
