// A library is opened, used and closed 10,000 times, with what it needs, constructors, failing look-ups and failing openings: mappings, descriptors and
// memory are in the end what they were after the first hundred.
//# libc: glibc
//# lib: needed.c -> libneeded.so
//# lib: plain.c -> libplain.so libneeded.so
//# bind: lazy
//# linkers: bfd
//# modes: interp
//# stdout: wrong 0
//# stdout: mappings as before 1, descriptors as before 1, memory as before 1
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include "maps.h"

static int descriptors(void)
{
    int number = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        number++;
    closedir(folder);
    return number;
}

// Address space of the process and its part in memory, in KiB: lines of /proc/self/status.
static long memory(const char *what)
{
    char line[256];
    long number = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, what, strlen(what)))
            number = atol(line + strlen(what));
    fclose(status);
    return number;
}

int main(void)
{
    int wrong = 0, mappings_before = 0, descriptors_before = 0;
    long space_before = 0, resident_before = 0;
    for (int i = 0; i < 10000; i++) {
        void *handle = dlopen("./libplain.so", i % 2 ? RTLD_NOW : RTLD_LAZY);
        int (*touch)(void) = handle ? (int (*)(void))dlsym(handle, "touch") : NULL;
        wrong += !touch || touch() != 1;
        if (i % 50 == 0) {
            wrong += dlsym(handle, "absent") || !dlerror();
            wrong += dlopen("./absent.so", RTLD_NOW) || !dlerror();
        }
        wrong += dlclose(handle) != 0;
        if (i == 100) {
            mappings_before = mappings_of("");
            descriptors_before = descriptors();
            space_before = memory("VmSize:");
            resident_before = memory("VmRSS:");
        }
    }
    printf("wrong %d\n", wrong);
    int space = memory("VmSize:") <= space_before + 64 && memory("VmRSS:") <= resident_before + 512;
    printf("mappings as before %d, descriptors as before %d, memory as before %d\n", mappings_of("") == mappings_before,
           descriptors() == descriptors_before, space);
    return 0;
}
