// A library in namespaces of its own, opened and closed thirty times one after the other, then in as many at once as there is room for: each copy counts for
// itself and has its own libc; when the room is used up, a text says so (BZ 29600, 29528).
//# libc: glibc
//# bind: lazy
//# lib: count.c -> libcount.so
//# flags: -pthread
//# stdout: one after the other: 30 of 30
//# stdout: at once: enough 1, each its own 1, text 1
//# stdout: again 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int call(void *handle, const char *name) { return ((int (*)(void))dlsym(handle, name))(); }

static void *use(void *handle)
{
    int right = call(handle, "next_of_thread") == 11 && call(handle, "next_of_thread") == 12 && call(handle, "fails");
    return (void *)(long)right;
}

static int is_right(void *handle)
{
    pthread_t thread;
    void *in_thread = NULL;
    int right = use(handle) != NULL && call(handle, "next") == 1 && call(handle, "next") == 2;
    pthread_create(&thread, NULL, use, handle);
    pthread_join(thread, &in_thread);
    return right && in_thread != NULL;
}

int main(void)
{
    int good = 0;
    for (int i = 0; i < 30; i++) {
        void *handle = dlmopen(LM_ID_NEWLM, "./libcount.so", RTLD_NOW);
        if (!handle) {
            puts(dlerror());
            return 1;
        }
        Lmid_t id = LM_ID_BASE;
        dlinfo(handle, RTLD_DI_LMID, &id);
        good += is_right(handle) && id != LM_ID_BASE && dlclose(handle) == 0;
    }
    printf("one after the other: %d of 30\n", good);
    void *handles[32];
    int opened = 0, each = 1;
    while (opened < 32 && (handles[opened] = dlmopen(LM_ID_NEWLM, "./libcount.so", RTLD_NOW)))
        opened++;
    const char *text = dlerror();
    int told = opened < 32 && text && (strstr(text, "no more namespaces") || strstr(text, "static TLS block"));
    for (int i = 0; i < opened; i++) {
        each &= is_right(handles[i]);
        for (int k = 0; k < i; k++)
            each &= handles[i] != handles[k];
    }
    printf("at once: enough %d, each its own %d, text %d\n", opened >= 3, each, told);
    for (int i = 0; i < opened; i++)
        dlclose(handles[i]);
    printf("again %d\n", is_right(dlmopen(LM_ID_NEWLM, "./libcount.so", RTLD_NOW)));
    return 0;
}
