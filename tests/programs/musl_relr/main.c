// Packed relative relocations in a library and in the program: musl's loader knows them from 1.2.4 on, lode with any musl.
//# libc: musl
//# oracle-since: 1.2.4
//# lib: library.c -> liblibrary.so -Wl,-z,pack-relative-relocs
//# flags: liblibrary.so -Wl,-z,pack-relative-relocs
//# stdout: library 100, program 50
#include <stdio.h>

extern int count(void);
static int number = 4;
static int *pointers[50] = {[0 ... 49] = &number};

int main(void)
{
    int right = 0;
    for (int i = 0; i < 50; i++)
        right += *(int *volatile *)&pointers[i] == &number;
    printf("library %d, program %d\n", count(), right);
    return 0;
}
