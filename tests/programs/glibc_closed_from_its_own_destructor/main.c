// dlclose from the library's own destructor, twice, and after exit began: a text or nothing, and no destructor runs twice.
//# libc: glibc
//# lib: own.c -> libown.so
//# lib: plain.c -> libplain.so
//# lib: plain.c -> liblate.so
//# stdout: own destructor: shared object not open
//# stdout: first 0, mapped 0
//# stdout: plain destructor
//# stdout: second 0, third -1, shared object not open
//# stdout: exit begins
//# stdout: plain destructor
//# stdout: closed at exit 0, mapped 0
//# stdout: opened at exit 1
//# stdout: plain destructor
#include <dlfcn.h>
#include <stdlib.h>
#include "maps.h"

static void *late;

// The end of dlerror's text: before it glibc has the library's name, or what lies where that was.
static const char *told(void)
{
    const char *text = dlerror(), *end = text ? strstr(text, "shared object not open") : NULL;
    return end ? end : "nothing";
}

static void at_exit(void)
{
    puts("exit begins");
    int closed = dlclose(late);
    printf("closed at exit %d, mapped %d\n", closed, is_mapped("/liblate.so"));
    void *again = dlopen("./libplain.so", RTLD_NOW);
    printf("opened at exit %d\n", again != NULL);
}

int main(void)
{
    setbuf(stdout, NULL);
    void *own = dlopen("./libown.so", RTLD_NOW);
    *(void **)dlsym(own, "handle") = own;
    int first = dlclose(own);
    printf("first %d, mapped %d\n", first, is_mapped("/libown.so"));
    void *plain = dlopen("./libplain.so", RTLD_NOW);
    int second = dlclose(plain), third = dlclose(plain);
    printf("second %d, third %d, %s\n", second, third, told());
    late = dlopen("./liblate.so", RTLD_NOW);
    atexit(at_exit);
    return 0;
}
