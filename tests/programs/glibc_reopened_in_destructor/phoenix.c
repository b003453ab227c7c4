#include <dlfcn.h>
#include <stdio.h>
__attribute__((constructor)) static void come(void) { puts("+ phoenix"); }
__attribute__((destructor)) static void go(void) { printf("- phoenix, opened %d\n", dlopen("./libphoenix.so", RTLD_NOW) != NULL); }
