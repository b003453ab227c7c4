// What is opened locally is found through its handle and by what it brought, not by the program; RTLD_GLOBAL changes that; RTLD_NEXT
// goes on behind the caller; RTLD_DEEPBIND looks at its own first.
//# libc: glibc
//# lib: leaf.c -> libleaf.so
//# lib: local.c -> liblocal.so libleaf.so
//# lib: deep.c -> libdeep.so
//# flags: -Wl,--export-dynamic
//# stdout: default before: none
//# stdout: handle: leaf
//# stdout: local sees: leaf
//# stdout: default after global: leaf
//# stdout: next: libc's
//# stdout: program's shared: program
//# stdout: deep sees: deep
//# stdout: again the same handle: yes
//# stdout: noload of absent: none
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

const char *shared(void) { return "program"; }
size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

typedef const char *(*named)(void);

static void show(const char *label, void *found)
{
    printf("%s: %s\n", label, found ? ((named)found)() : "none");
}

int main(void)
{
    void *local = dlopen("liblocal.so", RTLD_LAZY);
    if (!local) {
        puts(dlerror());
        return 1;
    }
    show("default before", dlsym(RTLD_DEFAULT, "leaf_name"));
    show("handle", dlsym(local, "leaf_name"));
    show("local sees", dlsym(local, "local_sees"));
    dlopen("libleaf.so", RTLD_LAZY | RTLD_GLOBAL);
    show("default after global", dlsym(RTLD_DEFAULT, "leaf_name"));
    void *next = dlsym(RTLD_NEXT, "strlen");
    printf("next: %s\n", next && next != (void *)strlen ? "libc's" : "own");
    show("program's shared", dlsym(RTLD_DEFAULT, "shared"));
    void *deep = dlopen("libdeep.so", RTLD_NOW | RTLD_DEEPBIND);
    show("deep sees", deep ? dlsym(deep, "deep_sees") : NULL);
    printf("again the same handle: %s\n", dlopen("liblocal.so", RTLD_LAZY) == local ? "yes" : "no");
    printf("noload of absent: %s\n", dlopen("libabsent.so", RTLD_LAZY | RTLD_NOLOAD) ? "some" : "none");
    return 0;
}
