#include <dlfcn.h>
#include <stdio.h>

int outer = 1;

__attribute__((constructor)) static void begin(void)
{
    puts("outer begins");
    void *handle = dlopen("libinner.so", RTLD_NOW);
    if (!handle) {
        puts(dlerror());
        return;
    }
    int (*say)(void) = (int (*)(void))dlsym(handle, "say");
    printf("inner says %d\n", say());
    puts("outer ends");
}

__attribute__((destructor)) static void end(void) { puts("outer destroyed"); }
