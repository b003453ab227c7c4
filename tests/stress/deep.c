// Opens each library that is named, in a thread whose stack is painted, and tells how much of it that took, how many modules there are then, and what a function of
// the library says.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SIZE = 8 << 20, PAINT = 0xa5 };

static int count(struct dl_phdr_info *info, size_t size, void *number)
{
    ++*(int *)number;
    return 0;
}

static void *open_it(void *name) { return dlopen(name, RTLD_NOW | RTLD_GLOBAL); }

int main(int number, char **names)
{
    for (int i = 1; i < number; i++) {
        unsigned char *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(stack, PAINT, SIZE);
        pthread_attr_t attributes;
        pthread_t thread;
        void *handle;
        pthread_attr_init(&attributes);
        pthread_attr_setstack(&attributes, stack, SIZE);
        pthread_create(&thread, &attributes, open_it, names[i]);
        pthread_join(thread, &handle);
        long untouched = 0;
        while (untouched < SIZE && stack[untouched] == PAINT)
            untouched++;
        int modules = 0;
        dl_iterate_phdr(count, &modules);
        int (*first)(void) = handle ? (int (*)(void))dlsym(handle, "first") : NULL;
        printf("stack %ld modules %d first %d\n", SIZE - untouched, modules, first ? first() : -1);
        if (!handle)
            puts(dlerror());
    }
    return 0;
}
