// LD_PRELOAD: names by colons or blanks, in their order before the needed libraries, libc's functions among what they replace.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# lib: preloaded.c -> libone.so -DNUMBER=1
//# lib: preloaded.c -> libtwo.so -DNUMBER=2
//# flags: liblibrary.so -Wl,--export-dynamic
//# env: LD_PRELOAD=@DIR@/libone.so:@DIR@/libtwo.so
//# stdout: constructor of 1
//# stdout: constructor of 2
//# stdout: library asks the first 1
//# stdout: the program stays first 4
//# stdout: a function of libc 12345
#include <stdio.h>
#include <unistd.h>

extern int ask(void), ask_program(void);
int programs_own(void) { return 4; }

int main(void)
{
    printf("library asks the first %d\n", ask());
    printf("the program stays first %d\n", ask_program());
    printf("a function of libc %d\n", getppid());
    return 0;
}
