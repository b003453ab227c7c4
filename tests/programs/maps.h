// What a test asks of /proc/self/maps.
#include <stdio.h>
#include <string.h>

// The lines that contain a text; "" is in all of them.
static int mappings_of(const char *text)
{
    char line[512];
    int number = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        number += strstr(line, text) != NULL;
    fclose(maps);
    return number;
}

__attribute__((unused)) static int is_mapped(const char *name) { return mappings_of(name) != 0; }
