// Opens a library and closes it: its memory has to go.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    char line[512];
    void *handle = dlopen(argv[1], RTLD_NOW);
    if (!handle)
        return puts(dlerror());
    dlclose(handle);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "libplugin"))
            return puts(line);
    return puts("closed and gone") < 0;
}
