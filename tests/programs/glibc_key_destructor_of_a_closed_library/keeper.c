// Leaves a value with a destructor in the calling thread.
#include <pthread.h>
#include <stdio.h>

static pthread_key_t key;

static void end(void *value) { puts("key destructor"); }

void keep(void)
{
    pthread_key_create(&key, end);
    pthread_setspecific(key, &key);
}

#ifdef TIDY
__attribute__((destructor)) static void forget(void) { pthread_key_delete(key); }
#endif
