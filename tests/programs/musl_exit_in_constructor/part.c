// A library with a constructor and a destructor; in one of them the constructor calls exit.
#include <stdio.h>
#include <stdlib.h>

static void at_exit(void) { printf("%s atexit\n", NAME); }
__attribute__((constructor)) static void init(void)
{
    printf("%s constructor\n", NAME);
    atexit(at_exit);
#ifdef EXITS
    exit(5);
#endif
}
__attribute__((destructor)) static void fini(void) { printf("%s destructor\n", NAME); }
