// A thread of a constructor finds relocated pointers in its thread-local data: the image is final before anything of the program runs, and stays to the end.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# flags: liblibrary.so -Wl,--export-dynamic
//# stdout: a constructor's thread: own 11, the program's 22
//# stdout: in main 22
//# stdout: at exit 22
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int there = 22;
static __thread int *pointer = &there;

int programs(void) { return *pointer; }

static void *thread(void *argument)
{
    printf("%s %d\n", (char *)argument, programs());
    return 0;
}

static void in_thread(char *what)
{
    pthread_t id;
    pthread_create(&id, 0, thread, what);
    pthread_join(id, 0);
}

static void at_exit(void) { in_thread("at exit"); }

int main(void)
{
    atexit(at_exit);
    pointer = 0;
    in_thread("in main");
    return 0;
}
