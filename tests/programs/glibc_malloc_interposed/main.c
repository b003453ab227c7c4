// A preload that stands before libc's malloc and asks dlsym(RTLD_NEXT) for it serves the program, libc and threads.
//# libc: glibc
//# lib: b.c -> libcount.so
//# flags: -pthread
//# env: LD_PRELOAD=@DIR@/libcount.so
//# stdout: counted yes
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((weak)) int count_of_calls(void);

static void *work(void *unused)
{
    for (int i = 0; i < 1000; i++)
        free(strdup("some text"));
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("counted %s\n", count_of_calls && count_of_calls() >= 2000 ? "yes" : "no");
    return 0;
}
