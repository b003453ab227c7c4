// dladdr and dlinfo: file, base and symbol of addresses; the handle is the link_map.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# flags: liblibrary.so -Wl,--export-dynamic
//# stdout: function of the library: 1 file libl symbol function here 1 base 1
//# stdout: inside it: 1 file libl symbol function here 0 base 1
//# stdout: of the program: 1 file main symbol of_the_program here 1 base 1
//# stdout: of libc: 1 file libc symbol qsort here 1 base 1
//# stdout: stack: 0
//# stdout: heap: 0
//# stdout: null: 0
//# stdout: dlinfo 0, the handle 1
//# stdout: name liblibrary.so
//# stdout: dynamic section 1
//# stdout: in the chain from the program 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int exported, function(void);
extern void *hidden_function(void);
int of_the_program(void) { return 1; }

static const char *last(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void *libc;

static void find(const char *what, void *address)
{
    Dl_info info = {0};
    int found = dladdr(address, &info);
    printf("%s: %d", what, found);
    if (found)
        printf(" file %.4s symbol %s here %d base %d", info.dli_fbase == libc ? "libc" : last(info.dli_fname),
               info.dli_sname ? info.dli_sname : "-", info.dli_saddr == address, !memcmp(info.dli_fbase, "\177ELF", 4));
    printf("\n");
}

int main(void)
{
    int local;
    Dl_info info;
    dladdr(dlsym(RTLD_DEFAULT, "printf"), &info);
    libc = info.dli_fbase;
    find("function of the library", dlsym(RTLD_DEFAULT, "function"));
    find("inside it", (char *)dlsym(RTLD_DEFAULT, "function") + 1);
    find("of the program", of_the_program);
    find("of libc", dlsym(RTLD_DEFAULT, "qsort"));
    find("stack", &local);
    find("heap", malloc(1 << 20));
    find("null", 0);
    struct link_map *map = 0;
    void *handle = dlopen("./liblibrary.so", RTLD_NOW);
    int answer = dlinfo(handle, RTLD_DI_LINKMAP, &map);
    printf("dlinfo %d, the handle %d\n", answer, map == handle);
    printf("name %s\n", last(map->l_name));
    printf("dynamic section %d\n", map->l_ld->d_tag != 0);
    int links = 0;
    for (struct link_map *other = dlopen(NULL, RTLD_NOW); other; other = other->l_next)
        links += other == map || (other->l_next && other->l_next->l_prev != other) * 100;
    printf("in the chain from the program %d\n", links);
    return 0;
}
