// Opens by name, with a path of its own.
#include <dlfcn.h>
int opens(const char *name) { return dlopen(name, RTLD_NOW) != 0; }
