// A copy of libc.so under another path is the libc that is there.
//# libc: musl
//# stdout: opened 1, the same functions 1
//# stdout: the same handle 1
//# stdout: mapped 0
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int copies(void)
{
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        count += strstr(line, "second-libc") != 0;
    fclose(maps);
    return count;
}

int main(void)
{
    char name[64], block[4096];
    Dl_info info;
    snprintf(name, sizeof name, "./second-libc-%d.so", (int)getpid());
    dladdr(qsort, &info);
    // The loader may not know a path of libc that can be opened; the maps do.
    unsigned long start = (unsigned long)info.dli_fbase, from;
    char line[512], path[256] = "";
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%*x %*s %*s %*s %*s %255s", &from, path) == 2 && from == start)
            break;
    fclose(maps);
    int in = open(path, O_RDONLY), out = open(name, O_CREAT | O_WRONLY, 0755), length;
    while ((length = read(in, block, sizeof block)) > 0)
        write(out, block, length);
    close(out);
    void *libc = dlopen("libc.so", RTLD_NOW), *copy = dlopen(name, RTLD_NOW);
    unlink(name);
    printf("opened %d, the same functions %d\n", copy != NULL, copy && dlsym(copy, "malloc") == dlsym(libc, "malloc"));
    printf("the same handle %d\n", copy == libc);
    printf("mapped %d\n", copies());
    return 0;
}
