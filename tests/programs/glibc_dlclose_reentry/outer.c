#include <dlfcn.h>
#include <stdio.h>
static void *inner;
__attribute__((constructor)) static void come(void)
{
    puts("+ outer");
    inner = dlopen("./libinner.so", RTLD_NOW);
    // Opened and closed once more while the first opening is not over.
    dlclose(dlopen("./libinner.so", RTLD_LAZY));
}
__attribute__((destructor)) static void go(void)
{
    puts("- outer begins");
    dlclose(inner);
    puts("- outer ends");
}
