// What is mapped: the program and the loader under test, once, and no other loader. (Under the system's loader the
// program would see that one, so it is not asked.)
//# oracle: no
//# stdout: other loaders 0
#define BARE_MAIN
#include "bare.h"

static char maps[65536];

int bare_main(long *stack)
{
    long file = bare_call(BARE_OPEN, (long)"/proc/self/maps", 0, 0);
    long length = 0, got;
    while ((got = bare_call(BARE_READ, file, (long)maps + length, sizeof maps - 1 - length)) > 0)
        length += got;
    int others = 0;
    for (char *at = maps; *at; at++)
        for (int i = 0; i < 2; i++) {
            const char *name = i ? "/ld-musl-" : "/ld-linux-x86-64.so.2";
            unsigned long same = 0;
            while (name[same] && at[same] == name[same])
                same++;
            others += name[same] == 0;
        }
    report("other loaders", others);
    return 0;
}

