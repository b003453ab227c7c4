#include <dlfcn.h>

int opened;
__attribute__((constructor)) static void begin(void) { opened = dlopen("./libtop.so", RTLD_NOW) != 0; }
