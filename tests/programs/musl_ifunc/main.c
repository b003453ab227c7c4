// IFUNC, which musl's own loader does not know: an extension. The resolver finds relocated data and thread-local data, and libc started with the environment.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# flags: liblibrary.so
//# oracle: no
//# env: A=1
//# env: B=2
//# env: GREETING=hello
//# stdout: called 42, inside 42, by a table 42, looked up 42
//# stdout: own 8
#include <dlfcn.h>
#include <stdio.h>

extern int chosen(void), call_inside(void);
extern int (*const table[])(void);

static int own_good(void) { return 8; }
static void *choose_own(void) { return own_good; }
int own(void) __attribute__((ifunc("choose_own")));

int main(void)
{
    printf("called %d, inside %d, by a table %d, looked up %d\n", chosen(), call_inside(), table[0](), ((int (*)(void))dlsym(RTLD_DEFAULT, "chosen"))());
    printf("own %d\n", own());
    return 0;
}
