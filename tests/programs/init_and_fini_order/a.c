#include "bare.h"
__attribute__((constructor)) static void init(void) { put("a init_array\n"); }
__attribute__((destructor)) static void fini(void) { put("a fini_array\n"); }
