/* Opens libraries with large tables of pointers, one after the other. Of each: whether all pointers are right, and whether the kernel was told that its data may be in
 * huge pages. */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int is_advised(uintptr_t address)
{
    char line[512];
    uintptr_t start, end, inside = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
            inside = start <= address && address < end;
        if (inside && !strncmp(line, "VmFlags:", 8)) {
            fclose(maps);
            return strstr(line, " hg") != 0;
        }
    }
    return -1;
}

int main(int count, char **libraries)
{
    for (int number = 1; number < count; number++) {
        void *library = dlopen(libraries[number], RTLD_NOW);
        if (!library) {
            puts(dlerror());
            continue;
        }
        void **words = dlsym(library, "words"), *target = dlsym(library, "target");
        size_t length = *(size_t *)dlsym(library, "length"), right = 0;
        for (size_t word = 0; word < length; word++)
            right += words[word] == target;
        char *behind = dlsym(library, "behind");
        printf("%s: %zu of %zu, %d, %s\n", libraries[number], right, length, *behind, is_advised((uintptr_t)words) ? "huge" : "small");
        dlclose(library);
    }
    return 0;
}
