/* What a loader does for a running program: one line each, the name, a tab, and nanoseconds for one call (the median of several).
 *
 * usage: inprocess open FOLDER COUNT | look LIBRARY NAMES | ask FOLDER COUNT
 *
 * `open` also prints the checksum of what the relocations of the libraries lead to, so that it can be held against the expected one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 4096, TIMES = 9, LOOK_UPS = 200 };

static void *handles[MOST];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static int order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void fail(const char *what)
{
    const char *why = dlerror();
    fprintf(stderr, "%s: %s\n", what, why ? why : "a wrong answer");
    exit(1);
}

/* Prints the median of nine measurements of `body`, which makes `count` calls. */
#define COST(name, count, body)                                \
    do {                                                       \
        double times[TIMES];                                   \
        for (int round = 0; round < TIMES; round++) {          \
            double begin = now();                              \
            body;                                              \
            times[round] = (now() - begin) / (count);          \
        }                                                      \
        qsort(times, TIMES, sizeof *times, order);             \
        printf("%s\t%.1f\n", name, times[TIMES / 2]);          \
    } while (0)

static void *library(const char *folder, int index)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lib%04d.so", folder, index);
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!handle)
        fail(path);
    return handle;
}

static void open_all(const char *folder, int count)
{
    for (int index = 0; index < count; index++)
        handles[index] = library(folder, index);
}

static uint64_t checksum(int count)
{
    uint64_t sum = 0;
    for (int index = 0; index < count; index++) {
        char name[32];
        snprintf(name, sizeof name, "check%04d", index);
        uint64_t (*check)(uint64_t) = (uint64_t (*)(uint64_t))dlsym(handles[index], name);
        if (!check)
            fail(name);
        sum = check(sum);
    }
    return sum;
}

static void open_and_close(const char *folder, int count)
{
    double begin = now();
    open_all(folder, count);
    printf("dlopen\t%.1f\n", (now() - begin) / count);
    printf("checksum\t%llu\n", (unsigned long long)checksum(count));
    begin = now();
    open_all(folder, count);
    printf("dlopen-again\t%.1f\n", (now() - begin) / count);
    for (int index = 0; index < count; index++)
        dlclose(handles[index]);
    begin = now();
    for (int index = count - 1; index >= 0; index--)
        dlclose(handles[index]);
    printf("dlclose\t%.1f\n", (now() - begin) / count);
}

static void look(const char *path, const char *list)
{
    static char *names[1 << 17];
    char line[4096];
    int count = 0;
    void *handle = dlopen(path, RTLD_NOW);
    FILE *file = fopen(list, "r");
    if (!handle || !file)
        fail(path);
    while (count < 1 << 17 && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        names[count++] = strdup(line);
    }
    COST("dlsym-hit", count, for (int index = 0; index < count; index++) if (!dlsym(handle, names[index])) fail(names[index]));
    for (int index = 0; index < count; index++)
        names[index][0] = 'X';
    COST("dlsym-miss", count, for (int index = 0; index < count; index++) if (dlsym(handle, names[index])) fail(names[index]));
}

static int visit(struct dl_phdr_info *info, size_t size, void *visited)
{
    (void)info;
    (void)size;
    ++*(int *)visited;
    return 0;
}

static void ask(const char *folder, int count)
{
    void *addresses[MOST];
    char name[32];
    open_all(folder, count);
    snprintf(name, sizeof name, "check%04d", count - 1);
    for (int index = 0; index < count; index++) {
        char check[32];
        snprintf(check, sizeof check, "check%04d", index);
        addresses[index] = dlsym(handles[index], check);
    }
    int visited = 0;
    COST("dl_iterate_phdr", 1, dl_iterate_phdr(visit, &visited));
    if (visited < count * TIMES)
        fail("dl_iterate_phdr");
    Dl_info info;
    COST("dladdr", count, for (int index = 0; index < count; index++) if (!dladdr(addresses[index], &info)) fail("dladdr"));
    COST("dlsym-default", LOOK_UPS, for (int turn = 0; turn < LOOK_UPS; turn++) if (dlsym(RTLD_DEFAULT, name) != addresses[count - 1]) fail(name));
}

int main(int count, char **arguments)
{
    if (count != 4)
        return 2;
    int libraries = atoi(arguments[3]);
    if (libraries > MOST)
        return 2;
    switch (arguments[1][0]) {
    case 'o':
        open_and_close(arguments[2], libraries);
        return 0;
    case 'l':
        look(arguments[2], arguments[3]);
        return 0;
    case 'a':
        ask(arguments[2], libraries);
        return 0;
    }
    return 2;
}
