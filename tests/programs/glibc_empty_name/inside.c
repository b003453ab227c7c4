#include <dlfcn.h>
#include <stdio.h>
void inside(void)
{
    int empty = dlopen("", RTLD_NOW) != NULL;
    int null = dlopen(NULL, RTLD_NOW) != NULL;
    printf("inside: empty %d, null %d\n", empty, null);
    fflush(stdout);
}
