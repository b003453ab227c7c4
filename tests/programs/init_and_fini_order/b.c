#include "bare.h"
__attribute__((constructor)) static void init(void) { put("b init_array\n"); }
__attribute__((destructor)) static void fini(void) { put("b fini_array\n"); }
