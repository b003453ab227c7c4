// A library whose constructor runs before the program's: what the process's memory looks like then, and what is open.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

// Copies a file of /proc to standard output, under a heading.
void show(const char *when)
{
    char block[4096];
    ssize_t length;
    int file = open("/proc/self/smaps", O_RDONLY);
    dprintf(1, "== %s\n", when);
    while ((length = read(file, block, sizeof block)) > 0)
        write(1, block, length);
    close(file);
}

__attribute__((constructor)) static void constructor(void) { show("constructor"); }
