// DT_FILTER and DT_AUXILIARY: the definitions of the filtee come before the filter's own; an auxiliary filtee may be absent.
//# libc: glibc
//# lib: real.c -> libreal.so
//# lib: filter.c -> libfilter.so -DPREFIX=filter_ -Wl,-F,libreal.so
//# lib: filter.c -> libauxiliary.so -DPREFIX=auxiliary_ -Wl,-f,libreal.so
//# lib: filter.c -> liblonely.so -DPREFIX=lonely_ -Wl,-f,libabsent.so
//# flags: libfilter.so
//# stdout: filter at the start: real, own filter
//# stdout: opened auxiliary: real, own auxiliary
//# stdout: opened lonely: filter, own lonely
#include <dlfcn.h>
#include <stdio.h>

extern const char *filter_name(void);
extern const char *filter_own(void);

static void ask(const char *path, const char *name, const char *own, const char *text)
{
    void *handle = dlopen(path, RTLD_NOW);
    const char *(*first)(void) = (const char *(*)(void))dlsym(handle, name);
    const char *(*second)(void) = (const char *(*)(void))dlsym(handle, own);
    printf("opened %s: %s, own %s\n", text, first(), second());
}

int main(void)
{
    printf("filter at the start: %s, own %s\n", filter_name(), filter_own());
    ask("./libauxiliary.so", "auxiliary_name", "auxiliary_own", "auxiliary");
    ask("./liblonely.so", "lonely_name", "lonely_own", "lonely");
    return 0;
}
