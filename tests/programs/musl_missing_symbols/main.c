// Symbols that are missing, of the program and of a library: all of them are told, the status is 127, and nothing of the program runs.
//# libc: musl
//# lib: gone.c -> libgone.so -DGONE=gone -DMORE -Wl,-soname,libgone.so
//# lib: needs.c -> libneeds.so libgone.so
//# flags: libgone.so libneeds.so
//# lib: gone.c -> other/libgone.so -DGONE=other
//# env: LD_LIBRARY_PATH=@DIR@/other
//# exit: 127
//# stderr: : gone: symbol not found
//# stderr: libneeds.so: gone_too: symbol not found
//# stderr: libneeds.so: gone_as_well: symbol not found
#include <stdio.h>

extern int gone(void), needs(void);

__attribute__((constructor)) static void init(void) { printf("constructor\n"); }

int main(void)
{
    printf("%d\n", gone() + needs());
    return 0;
}
