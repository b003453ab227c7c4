// Destructors of keys run in rounds and use thread-local data of an opened library: it keeps its value over all of them.
//# libc: musl
//# lib: counter.c -> libcounter.so
//# stdout: 102 103 104 105 106 107 108 109
//# stdout: 102 103 104 105 106 107 108 109 110 111 112
//# stdout: 101 102 103 104 105 106 107 108 109 110 111
//# stdout: main thread 101
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static int (*next)(void);
static pthread_key_t first, second, third;
static int values[16], count;

static void again(void *value)
{
    values[count++] = next();
    if (count < 9)
        pthread_setspecific(value == &first ? first : value == &second ? second : third, value);
}

static void *thread(void *use)
{
    if (use)
        next();
    pthread_setspecific(first, &first);
    pthread_setspecific(second, &second);
    pthread_setspecific(third, &third);
    return 0;
}

static void run(void *use)
{
    pthread_t id;
    count = 0;
    pthread_create(&id, 0, thread, use);
    pthread_join(id, 0);
    for (int i = 0; i < count; i++)
        printf("%d%c", values[i], i + 1 < count ? ' ' : '\n');
}

int main(void)
{
    pthread_key_create(&first, again);
    next = dlsym(dlopen("./libcounter.so", RTLD_NOW), "next");
    pthread_key_create(&second, again);
    run("use");
    pthread_key_create(&third, again);
    run("use");
    run(0);
    printf("main thread %d\n", next());
    return 0;
}
