// A loaded library answers to the name that it was found by, not to its DT_SONAME; a path is a path; the same file under another name is the same library.
//# libc: musl
//# lib: counter.c -> libcounter.so -Wl,-soname,libcounter.so
//# lib: counter.c -> sub/libpath.so -Wl,-soname,libpath.so
//# lib: counter.c -> other/libelse.so -Wl,-soname,libsoname.so
//# after: ln libcounter.so libsame.so
//# after: cp libcounter.so libcopy.so
//# flags: libcounter.so
//# stdout: by name 1
//# stdout: by path 1
//# stdout: another name of the file 1
//# stdout: a copy 0
//# stdout: of a folder 1
//# stdout: by its file name afterwards 0
//# stdout: another 1
//# stdout: by its DT_SONAME 0
//# stdout: loads 4
#include <dlfcn.h>
#include <stdio.h>

extern int *loads_here(void);

static int *open_it(const char *name, int mode)
{
    void *handle = dlopen(name, RTLD_NOW | mode);
    int *(*here)(void) = handle ? dlsym(handle, "loads") : 0;
    return (int *)here;
}

int main(void)
{
    int *own = loads_here();
    printf("by name %d\n", open_it("libcounter.so", RTLD_NOLOAD) == own);
    printf("by path %d\n", open_it("./libcounter.so", 0) == own);
    printf("another name of the file %d\n", open_it("./libsame.so", 0) == own);
    printf("a copy %d\n", open_it("./libcopy.so", 0) == own);
    printf("of a folder %d\n", open_it("sub/libpath.so", 0) != 0);
    printf("by its file name afterwards %d\n", open_it("libpath.so", RTLD_NOLOAD) != 0);
    printf("another %d\n", open_it("other/libelse.so", 0) != 0);
    printf("by its DT_SONAME %d\n", open_it("libsoname.so", RTLD_NOLOAD) != 0);
    printf("loads %d\n", *own);
    return 0;
}
