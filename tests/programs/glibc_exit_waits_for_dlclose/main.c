// exit() in one thread while another one is in the destructor of a library that it closes: dependents are finalised before what they need.
//# libc: glibc
//# lib: below.c -> libbelow.so
//# lib: above.c -> libabove.so libbelow.so
//# flags: -pthread -Wl,--export-dynamic
//# stdout: above begins
//# stdout: above ends, below is gone 0
//# stdout: below
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

volatile int closing;

static void *close_it(void *handle)
{
    dlclose(handle);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, close_it, dlopen("./libabove.so", RTLD_NOW));
    while (!closing)
        usleep(100);
    exit(0);
}
