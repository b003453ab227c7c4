// A needed name with a slash is a path from the working directory, whatever LD_LIBRARY_PATH says.
//# libc: musl
//# rpath: no
//# lib: library.c -> sub/library.so
//# lib: library.c -> elsewhere/sub/library.so -Danswer=other
//# flags: sub/library.so
//# env: LD_LIBRARY_PATH=@DIR@/elsewhere
//# stdout: answer 6
#include <stdio.h>

extern int answer(void);

int main(void)
{
    printf("answer %d\n", answer());
    return 0;
}
