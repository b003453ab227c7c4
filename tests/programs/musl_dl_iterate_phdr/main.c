// dl_iterate_phdr: load order, the program first and the vDSO last; thread-local data by block (since 1.2.3) and only where it is; counts grow with each load. A callback's answer ends it.
//# libc: musl
//# oracle-since: 1.2.3
//# lib: library.c -> liblibrary.so
//# lib: plain.c -> libplain.so
//# lib: library.c -> libopened.so -Wl,-Bsymbolic
//# flags: liblibrary.so libplain.so
//# stdout: main: segments 1, thread-local 4, module 1, block 1, whole 1, unloaded 0
//# stdout: liblibrary.so: segments 1, thread-local 4, module 1, block 1, whole 1, unloaded 0
//# stdout: libplain.so: segments 1, thread-local 0, module 0, block 0, whole 1, unloaded 0
//# stdout: libc.so: segments 1, thread-local 0, module 0, block 0, whole 1, unloaded 0
//# stdout: vDSO: segments 1, thread-local 0, module 0, block 0, whole 1, unloaded 0
//# stdout: blocks 2
//# stdout: main: segments 1, thread-local 4, module 1, block 1, whole 1, unloaded 0
//# stdout: liblibrary.so: segments 1, thread-local 4, module 1, block 1, whole 1, unloaded 0
//# stdout: libplain.so: segments 1, thread-local 0, module 0, block 0, whole 1, unloaded 0
//# stdout: libc.so: segments 1, thread-local 0, module 0, block 0, whole 1, unloaded 0
//# stdout: vDSO: segments 1, thread-local 0, module 0, block 0, whole 1, unloaded 0
//# stdout: libopened.so: segments 1, thread-local 4, module 1, block 1, whole 1, unloaded 0
//# stdout: added 1
//# stdout: ended with 42 after 3
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

extern int *variable_here(void), plain(void);
static __thread int own = 9;
static unsigned long long adds;
static int blocks_right;

static const char *last(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// lode is a module of its own, whose code may stand in a stack trace; musl's loader is libc.
static int is_loader(struct dl_phdr_info *info)
{
    Dl_info loader;
    dladdr(dlopen, &loader);
    return info->dlpi_addr == (unsigned long)loader.dli_fbase;
}

static int show(struct dl_phdr_info *info, size_t size, void *data)
{
    int loads = 0, own_headers = 0, thread_local_data = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        loads += info->dlpi_phdr[i].p_type == PT_LOAD;
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            thread_local_data = info->dlpi_phdr[i].p_memsz;
    }
    const char *what = info->dlpi_addr + (unsigned long)0 == getauxval(AT_SYSINFO_EHDR) ? "vDSO" : last(info->dlpi_name);
    if (!strncmp(what, "main", 4))
        what = "main";
    Dl_info libc;
    dladdr(dlsym(RTLD_DEFAULT, "qsort"), &libc);
    if (info->dlpi_addr == (unsigned long)libc.dli_fbase)
        what = "libc.so";
    else if (is_loader(info))
        return 0;
    printf("%s: segments %d, thread-local %d, module %d, block %d, whole %d, unloaded %d\n", what, loads > 0, thread_local_data, info->dlpi_tls_modid > 0,
           info->dlpi_tls_data != 0, size >= sizeof *info, (int)info->dlpi_subs);
    char *block = info->dlpi_tls_data;
    blocks_right += block && ((char *)&own == block || (char *)variable_here() == block);
    adds = info->dlpi_adds;
    return 0;
}

static int third(struct dl_phdr_info *info, size_t size, void *data) { return ++*(int *)data == 3 ? 42 : 0; }

int main(void)
{
    int count = 0;
    *variable_here() = 1;
    dl_iterate_phdr(show, 0);
    printf("blocks %d\n", blocks_right);
    unsigned long long before = adds;
    void *handle = dlopen("./libopened.so", RTLD_NOW);
    // Whether it has a block before it is touched, is nobody's business.
    ((int *(*)(void))dlsym(handle, "variable_here"))();
    dl_iterate_phdr(show, 0);
    printf("added %d\n", (int)(adds - before));
    int answer = dl_iterate_phdr(third, &count);
    printf("ended with %d after %d\n", answer, count);
    return 0;
}
