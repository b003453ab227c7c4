// A library is opened by a link to a descriptor: of its file, of a deleted file, of memory. The same file is the same library; another one under a name that
// was used before is another one; what is no library is refused by name.
//# libc: glibc
//# lib: value.c -> libvalue.so
//# bind: lazy
//# stdout: the file itself: 1, the same by its name 1
//# stdout: by /dev/fd: 2
//# stdout: memory: 1, another 1
//# stdout: still mapped when its descriptor is closed: 2
//# stdout: deleted: 1
//# stdout: empty: file too short
//# stdout: closed: cannot open shared object file: No such file or directory
#include "copies.h"
#include <stdlib.h>
#include <string.h>

static int call(void *handle) { return handle ? ((int (*)(void))dlsym(handle, "next"))() : -1; }

static void *open_as(const char *pattern, int file)
{
    char path[64];
    snprintf(path, sizeof path, pattern, file);
    return dlopen(path, RTLD_NOW);
}

// The reason in dlerror's text, without the path.
static const char *reason(void)
{
    const char *text = dlerror(), *colon = text ? strstr(text, ": ") : NULL;
    return colon ? colon + 2 : "none";
}

int main(void)
{
    int file = open("libvalue.so", O_RDONLY);
    void *itself = open_descriptor(file, RTLD_NOW);
    int first = call(itself);
    printf("the file itself: %d, the same by its name %d\n", first, dlopen("./libvalue.so", RTLD_NOW) == itself);
    printf("by /dev/fd: %d\n", call(open_as("/dev/fd/%d", file)));
    int one = copy_of("libvalue.so");
    void *copy = open_descriptor(one, RTLD_NOW);
    int two = copy_of("libvalue.so");
    int memory = call(copy), another = call(open_descriptor(two, RTLD_NOW));
    printf("memory: %d, another %d\n", memory, another);
    close(one);
    printf("still mapped when its descriptor is closed: %d\n", call(copy));
    char name[] = "/tmp/lode-deleted-XXXXXX";
    int deleted = mkstemp(name), from = open("libvalue.so", O_RDONLY);
    char buffer[4096];
    for (ssize_t length; (length = read(from, buffer, sizeof buffer)) > 0;)
        write(deleted, buffer, length);
    unlink(name);
    printf("deleted: %d\n", call(open_descriptor(deleted, RTLD_NOW)));
    int empty = memfd_create("empty", 0);
    open_descriptor(empty, RTLD_NOW);
    printf("empty: %s\n", reason());
    close(empty);
    open_descriptor(empty, RTLD_NOW);
    printf("closed: %s\n", reason());
    return 0;
}
