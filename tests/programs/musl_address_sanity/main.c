// Stack guard, thread pointer and random bytes are libc's own: the canary is not zero and is the same in all threads; fork keeps it.
//# libc: musl
//# flags: -fstack-protector-all
//# stdout: canary 1, thread 1, self 1
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static uintptr_t canary(void)
{
    uintptr_t value;
    __asm__("mov %%fs:0x28, %0" : "=r"(value));
    return value;
}

static uintptr_t self(void)
{
    uintptr_t value;
    __asm__("mov %%fs:0, %0" : "=r"(value));
    return value;
}

static void *thread(void *argument) { return (void *)(uintptr_t)(canary() == *(uintptr_t *)argument && self() == (uintptr_t)pthread_self()); }

int main(void)
{
    pthread_t id;
    uintptr_t value = canary(), random = 0;
    void *result;
    memcpy(&random, (void *)getauxval(AT_RANDOM), sizeof random);
    pthread_create(&id, 0, thread, &value);
    pthread_join(id, &result);
    printf("canary %d, thread %d, self %d\n", value != 0, (int)(uintptr_t)result, self() == (uintptr_t)pthread_self());
    return 0;
}
