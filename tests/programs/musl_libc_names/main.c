// libc.so.6, libm.so.6, libpthread.so.0 and their like are libc itself, needed or opened: no file of that name is looked for, and glibc is never mapped.
//# libc: musl
//# lib: m.c -> stand/libm.so.6 -Wl,-soname,libm.so.6
//# lib: m.c -> stand/libpthread.so.0 -Wl,-soname,libpthread.so.0
//# lib: m.c -> stand/libc.so.6 -Wl,-soname,libc.so.6
//# lib: old.c -> libold.so stand/libm.so.6 stand/libpthread.so.0 stand/libc.so.6
//# flags: libold.so
//# env: LD_LIBRARY_PATH=@DIR@/stand
//# stdout: root 4
//# stdout: libc.so: 1 1
//# stdout: libc.so.6: 1 1
//# stdout: libm.so.6: 1 1
//# stdout: libm.so: 1 1
//# stdout: libpthread.so.0: 1 1
//# stdout: librt.so.1: 1 1
//# stdout: libdl.so.2: 1 1
//# stdout: libutil.so.1: 1 1
//# stdout: libxnet.so: 1 1
//# stdout: libc.musl-x86_64.so.1: 1 1
//# stdout: libnsl.so.1: 0
//# stdout: libresolv.so.2: 0
//# stdout: libcrypt.so.1: 0
//# stdout: libmvec.so.1: 0
//# stdout: nobody's 0
//# stdout: glibc is mapped 0, files in the way 0
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

extern double root(double);

static const char *const names[] = {"libc.so", "libc.so.6", "libm.so.6", "libm.so", "libpthread.so.0", "librt.so.1", "libdl.so.2", "libutil.so.1", "libxnet.so", "libc.musl-x86_64.so.1"};
static const char *const others[] = {"libnsl.so.1", "libresolv.so.2", "libcrypt.so.1", "libmvec.so.1"};

static int mapped(const char *word)
{
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        count += strstr(line, word) != 0;
    fclose(maps);
    return count;
}

int main(void)
{
    printf("root %g\n", root(9));
    void *libc = dlopen("libc.so", RTLD_NOW);
    for (int i = 0; i < sizeof names / sizeof *names; i++) {
        void *handle = dlopen(names[i], RTLD_NOW);
        printf("%s: %d %d\n", names[i], handle == libc, handle && dlsym(handle, "qsort") != NULL);
    }
    for (int i = 0; i < sizeof others / sizeof *others; i++) {
        void *handle = dlopen(others[i], RTLD_NOW | RTLD_NOLOAD);
        printf("%s: %d\n", others[i], handle != NULL);
    }
    printf("nobody's %d\n", dlsym(RTLD_DEFAULT, "nobody_opens_this") != NULL);
    printf("glibc is mapped %d, files in the way %d\n", mapped("x86_64-linux-gnu/libc"), mapped("/stand/"));
    return 0;
}
