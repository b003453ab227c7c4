// Opens another library in its constructor, and has a function whose resolver was asked before that.
#include <dlfcn.h>

static int seven(void) { return 7; }
static int (*resolve(void))(void) { return seven; }
int chosen(void) __attribute__((ifunc("resolve")));

static int sum;

__attribute__((constructor)) static void begin(void)
{
    void *inner = dlopen("libinner.so", RTLD_NOW);
    sum = chosen() + (inner ? ((int (*)(void))dlsym(inner, "inner"))() : -100);
    dlclose(inner);
}

int value(void) { return sum - 12; }
