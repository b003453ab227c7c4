// Twenty libraries with thread-local data, half of them needed and half opened, in the order of their numbers and against it, asked in threads.
//# libc: musl
//# lib: part.c -> libpart1.so -DNUMBER=1
//# lib: part.c -> libpart2.so -DNUMBER=2
//# lib: part.c -> libpart3.so -DNUMBER=3
//# lib: part.c -> libpart4.so -DNUMBER=4
//# lib: part.c -> libpart5.so -DNUMBER=5
//# lib: part.c -> libpart6.so -DNUMBER=6
//# lib: part.c -> libpart7.so -DNUMBER=7
//# lib: part.c -> libpart8.so -DNUMBER=8
//# lib: part.c -> libpart9.so -DNUMBER=9
//# lib: part.c -> libpart10.so -DNUMBER=10
//# lib: part.c -> libpart11.so -DNUMBER=11
//# lib: part.c -> libpart12.so -DNUMBER=12
//# lib: part.c -> libpart13.so -DNUMBER=13
//# lib: part.c -> libpart14.so -DNUMBER=14
//# lib: part.c -> libpart15.so -DNUMBER=15
//# lib: part.c -> libpart16.so -DNUMBER=16
//# lib: part.c -> libpart17.so -DNUMBER=17
//# lib: part.c -> libpart18.so -DNUMBER=18
//# lib: part.c -> libpart19.so -DNUMBER=19
//# lib: part.c -> libpart20.so -DNUMBER=20
//# flags: libpart1.so libpart2.so libpart3.so libpart4.so libpart5.so libpart6.so libpart7.so libpart8.so libpart9.so libpart10.so
//# stdout: right 200
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define HALF(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10)
#define DECLARE(N) extern int part##N(void);
#define ASK(N) right += part##N();
HALF(DECLARE)
static int (*opened[10])(void);

static void *thread(void *argument)
{
    long right = 0;
    HALF(ASK)
    for (int i = 9; i >= 0; i--)
        right += opened[i]();
    return (void *)right;
}

int main(void)
{
    pthread_t threads[10];
    long right = 0;
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "./libpart%d.so", 20 - i);
        void *handle = dlopen(name, RTLD_NOW);
        snprintf(name, sizeof name, "part%d", 20 - i);
        opened[i] = dlsym(handle, name);
    }
    for (int i = 0; i < 10; i++)
        pthread_create(&threads[i], 0, thread, 0);
    for (int i = 0; i < 10; i++) {
        void *result;
        pthread_join(threads[i], &result);
        right += (long)result;
    }
    printf("right %ld\n", right);
    return 0;
}
