// The blocks of an opened library go with their threads: after 10,000 of them (655 MB in all) the process is about as large as after 100.
//# libc: musl
//# lib: block.c -> libblock.so
//# stdout: grew by less than 4 MB: resident 1, mapped 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void (*touch)(void);

static void *thread(void *argument)
{
    touch();
    return 0;
}

static long kilobytes(const char *key)
{
    char line[256];
    long value = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, key, strlen(key)))
            sscanf(line + strlen(key), "%ld", &value);
    fclose(status);
    return value;
}

static void many(int count)
{
    for (int i = 0; i < count; i += 4) {
        pthread_t four[4];
        for (int j = 0; j < 4; j++)
            pthread_create(&four[j], 0, thread, 0);
        for (int j = 0; j < 4; j++)
            pthread_join(four[j], 0);
    }
}

int main(void)
{
    touch = dlsym(dlopen("./libblock.so", RTLD_NOW), "touch");
    touch();
    many(100);
    long resident = kilobytes("VmRSS:"), size = kilobytes("VmSize:");
    many(10000);
    printf("grew by less than 4 MB: resident %d, mapped %d\n", kilobytes("VmRSS:") - resident < 4096, kilobytes("VmSize:") - size < 4096);
    return 0;
}
