// A library goes while a thread has a value whose key's destructor is the library's: a library that deletes its key is safe, one that does not leaves a
// call into nothing, under every loader that unloads (s2n-tls issue 3987). What is there after the library went is no other code.
//# libc: glibc
//# lib: keeper.c -> libtidy.so -DTIDY
//# lib: keeper.c -> libuntidy.so
//# lib: keeper.c -> libkept.so
//# flags: -pthread
//# stdout: tidy
//# stdout: key destructor
//# stdout: kept
//# signal: 11
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void *live(void *name)
{
    void *handle = dlopen(name, RTLD_NOW);
    ((void (*)(void))dlsym(handle, "keep"))();
    dlclose(handle);
    return NULL;
}

static void in_a_thread(char *name)
{
    pthread_t thread;
    pthread_create(&thread, NULL, live, name);
    pthread_join(thread, NULL);
}

int main(void)
{
    setbuf(stdout, NULL);
    in_a_thread("./libtidy.so");
    puts("tidy");
    // -z nodelete is the library's own way out.
    dlopen("./libkept.so", RTLD_NOW | RTLD_NODELETE);
    in_a_thread("./libkept.so");
    puts("kept");
    in_a_thread("./libuntidy.so");
    return 0;
}
