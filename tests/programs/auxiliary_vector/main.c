// AT_PHDR, AT_PHNUM and AT_ENTRY describe the program in both modes; AT_BASE is the loader's base as an
// interpreter and 0 as a command (there the kernel mapped no interpreter).
//# stdout: ok AT_PHDR is the program's
//# stdout: ok AT_PHNUM is the program's
//# stdout: ok AT_PHENT is 56
//# stdout: ok AT_ENTRY is the program's
//# stdout: ok AT_BASE is not the program's
//# stdout: ok AT_PAGESZ is a power of two
//# stdout: ok AT_RANDOM is there
#define BARE_MAIN
#include "bare.h"

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern void _start(void) __attribute__((visibility("hidden")));

int bare_main(long *stack)
{
    long *entry = stack + 1 + stack[0] + 1;
    long value[64] = {0};
    while (*entry)
        entry++;
    for (entry++; entry[0]; entry += 2)
        if (entry[0] < 64)
            value[entry[0]] = entry[1];
    long table = *(long *)(__ehdr_start + 32);
    check(value[3] == (long)__ehdr_start + table, "AT_PHDR is the program's");
    check(value[5] == *(unsigned short *)(__ehdr_start + 56), "AT_PHNUM is the program's");
    check(value[4] == 56, "AT_PHENT is 56");
    check(value[9] == (long)_start, "AT_ENTRY is the program's");
    check(value[7] != (long)__ehdr_start, "AT_BASE is not the program's");
    check(value[6] >= 4096 && (value[6] & (value[6] - 1)) == 0, "AT_PAGESZ is a power of two");
    check(value[25] != 0, "AT_RANDOM is there");
    return 0;
}
