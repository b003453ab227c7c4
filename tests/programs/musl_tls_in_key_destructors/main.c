// Destructors of keys run in rounds (four at most) and use thread-local data of an opened library: it keeps its value over three of them.
//# libc: musl
//# lib: counter.c -> libcounter.so
//# stdout: 102 103 104 105 106 107
//# stdout: 102 103 104 105 106 107 108 109 110
//# stdout: 101 102 103 104 105 106 107 108 109
//# stdout: main thread 101
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static int (*next)(void);
static pthread_key_t first, second, third;
static int values[16], count, third_made;
static __thread int rounds[3];

static void again(void *value)
{
    int which = value == &first ? 0 : value == &second ? 1 : 2;
    values[count++] = next();
    if (++rounds[which] < 3)
        pthread_setspecific(*(pthread_key_t *)value, value);
}

static void *thread(void *use)
{
    if (use)
        next();
    pthread_setspecific(first, &first);
    pthread_setspecific(second, &second);
    if (third_made)
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
    third_made = !pthread_key_create(&third, again);
    run("use");
    run(0);
    printf("main thread %d\n", next());
    return 0;
}
