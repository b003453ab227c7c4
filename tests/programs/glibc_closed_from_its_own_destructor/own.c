// Closes itself in its destructor.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

void *handle;

__attribute__((destructor)) static void end(void)
{
    int closed = dlclose(handle);
    printf("own destructor: %s\n", closed ? strstr(dlerror(), "shared") : "closed");
}
