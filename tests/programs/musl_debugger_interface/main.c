// What a debugger reads: DT_DEBUG of the program leads to the chain of modules, `_dl_debug_addr` to the same, and what is opened is added.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# lib: library.c -> libopened.so
//# flags: liblibrary.so
//# stdout: version 1, state 0, stop 1
//# stdout: by name 1
//# stdout: the program first 1
//# stdout: library 1, opened 0
//# stdout: library 1, opened 1
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

extern ElfW(Dyn) _DYNAMIC[];
extern struct r_debug *_dl_debug_addr;

static int holds(struct r_debug *debug, const char *name)
{
    int count = 0;
    for (struct link_map *map = debug->r_map; map; map = map->l_next)
        count += map->l_name && strstr(map->l_name, name) != 0;
    return count;
}

int main(void)
{
    struct r_debug *debug = 0;
    for (ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag; entry++)
        if (entry->d_tag == DT_DEBUG)
            debug = (struct r_debug *)entry->d_un.d_ptr;
    printf("version %d, state %d, stop %d\n", debug->r_version, debug->r_state, debug->r_brk != 0);
    printf("by name %d\n", _dl_debug_addr == debug);
    printf("the program first %d\n", debug->r_map->l_ld == _DYNAMIC);
    printf("library %d, opened %d\n", holds(debug, "liblibrary.so"), holds(debug, "libopened.so"));
    dlopen("./libopened.so", RTLD_NOW);
    printf("library %d, opened %d\n", holds(debug, "liblibrary.so"), holds(debug, "libopened.so"));
    return 0;
}
