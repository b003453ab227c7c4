// Lives in a namespace of its own, with its own copies of libhelper.so and libc.so.6.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int counter;
static __thread int own = 5;

static int count_visits(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    if (strstr(info->dlpi_name, "libguest.so") || strstr(info->dlpi_name, "libonly_base.so"))
        *(int *)data += strstr(info->dlpi_name, "libguest.so") ? 1 : 100;
    return 0;
}

static void *in_a_thread(void *nothing)
{
    own += 1;
    errno = 77;
    void *memory = malloc(1000);
    free(memory);
    return (void *)(long)(own + (nothing != NULL));
}

// What of the tables is visible from here: 1 for this library, 100 for one of the base namespace.
int visits(void)
{
    int count = 0;
    dl_iterate_phdr(count_visits, &count);
    return count;
}

// The environment is the one of the moment at which this libc was loaded.
int knows_variable(void)
{
    const char *value = getenv("SET_LATER");
    return value && !strcmp(value, "yes");
}

int bump(void)
{
    return ++counter;
}

void *address_of_malloc(void)
{
    return (void *)malloc;
}

int finds_by_default(const char *name)
{
    return dlsym(RTLD_DEFAULT, name) != NULL;
}

long thread(void)
{
    pthread_t thread;
    void *result = NULL;
    errno = 5;
    if (pthread_create(&thread, NULL, in_a_thread, NULL))
        return -1;
    pthread_join(thread, &result);
    return (long)result * 10 + (errno == 5) + own;
}

// A library that this one opens comes to this namespace.
long opens(const char *path)
{
    Lmid_t namespace = -5;
    void *handle = dlopen(path, RTLD_NOW);
    if (!handle)
        return -1;
    dlinfo(handle, RTLD_DI_LMID, &namespace);
    int *known = dlsym(handle, "counter");
    long same = known == &counter;
    dlclose(handle);
    return namespace * 10 + same;
}

// libc opens libraries for the user database.
int knows_root(void)
{
    struct passwd *root = getpwnam("root");
    return root && root->pw_uid == 0;
}

__attribute__((constructor)) static void begin(void)
{
    counter += 100;
}

__attribute__((destructor)) static void end(void)
{
    char text[64];
    int length = snprintf(text, sizeof text, "guest ends with %d\n", counter);
    extern long write(int, const void *, unsigned long);
    write(1, text, length);
}
