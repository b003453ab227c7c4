// Opened, its constructor calls exit.
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void init(void)
{
    printf("opened constructor\n");
    exit(6);
}
__attribute__((destructor)) static void fini(void) { printf("opened destructor\n"); }
