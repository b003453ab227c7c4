// A file of the right name that is no library ends the search: musl passes over nothing that it can open.
//# libc: musl
//# lib: library.c -> libanswer.so
//# lib: library.c -> bad/libanswer.so
//# after: truncate bad/libanswer.so 30
//# env: LD_LIBRARY_PATH=@DIR@/absent:@DIR@/main:@DIR@/bad
//# flags: libanswer.so
//# exit: 127
//# stderr: Error loading shared library libanswer.so: Exec format error (needed by 
#include <stdio.h>

extern int answer(void);

int main(void)
{
    printf("%d\n", answer());
    return 0;
}
