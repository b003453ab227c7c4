// Its constructor opens another library, looks a symbol up and starts a thread that does so too.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void *thread(void *name)
{
    void *handle = dlopen(name, RTLD_NOW);
    printf("a thread opens %s\n", handle ? "it" : dlerror());
    return 0;
}

__attribute__((constructor)) static void init(void)
{
    pthread_t id;
    void *handle = dlopen("./libplug.so", RTLD_NOW);
    printf("constructor: plug %d\n", handle ? ((int (*)(void))dlsym(handle, "plug"))() : -1);
    pthread_create(&id, 0, thread, "./libplug.so");
    pthread_join(id, 0);
}
__attribute__((destructor)) static void fini(void) { printf("opener's destructor\n"); }
