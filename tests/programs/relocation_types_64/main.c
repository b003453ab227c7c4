// 64-bit relocations in data: 64 with addend, at an unaligned place, SIZE64 and SIZE32, GLOB_DAT, RELATIVE.
//# lib: b.S -> libb.so
//# flags: -fPIC libb.so -Wl,--export-dynamic
//# stdout: ok 64
//# stdout: ok 64 with addend
//# stdout: ok 64 unaligned
//# stdout: ok RELATIVE
//# stdout: size64 24
//# stdout: size32 28
#define BARE_MAIN
#include "bare.h"

char target[24] = "here, not in the library";
extern struct {
    char *word, *with_addend;
    char **own;
    long size;
    int size32;
} library_table;
extern struct __attribute__((packed)) { char byte; char *word; } library_unaligned;

int bare_main(long *stack)
{
    char *volatile expected = target;
    check(library_table.word == expected, "64");
    check(library_table.with_addend == expected + 5, "64 with addend");
    check(library_unaligned.word == expected + 1, "64 unaligned");
    check(library_table.own == &library_table.word, "RELATIVE");
    report("size64", library_table.size);
    report("size32", library_table.size32);
    return 0;
}
