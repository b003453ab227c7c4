// Prints the mappings of the process, as profilers read them, when a library has been opened.

#include <dlfcn.h>
#include <stdio.h>

int main(void) {
    if (!dlopen("./library.so", RTLD_NOW)) return puts(dlerror());
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1000];
    while (maps && fgets(line, sizeof line, maps)) fputs(line, stdout);
    return 0;
}
