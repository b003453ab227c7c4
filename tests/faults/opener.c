// Opens a library between its first and its second write to descriptor 1, while other threads open, use and close another one. Where it is refused, the reason
// goes to descriptor 2; nothing may be left behind, the other threads must have got what they asked for, and the library must open afterwards, in a child too.
//
// opener LIBRARY OTHER: ends with 42 when the library was opened, with 44 when it was refused, with 43 and a line when something is wrong.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 2 };

static const char *other;
static volatile int stop;
static pthread_barrier_t started;

static _Noreturn void wrong(const char *what)
{
    dprintf(2, "wrong: %s\n", what);
    _exit(43);
}

static int count(struct dl_phdr_info *info, size_t size, void *number)
{
    ++*(int *)number;
    return 0;
}

// Mappings of files, descriptors, modules.
static int state(void)
{
    int number = 0, modules = 0, descriptors = 0;
    static char line[512], buffer[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    setvbuf(maps, buffer, _IOFBF, sizeof buffer);
    while (fgets(line, sizeof line, maps))
        number += strstr(line, ".so") != NULL;
    fclose(maps);
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        descriptors++;
    closedir(folder);
    dl_iterate_phdr(count, &modules);
    return number * 1000000 + descriptors * 10000 + modules;
}

static int use(const char *path, int answer)
{
    void *handle = dlopen(path, RTLD_NOW);
    int (*run)(int) = handle ? (int (*)(int))dlsym(handle, "plug_run") : NULL;
    int good = run && run(1) == answer;
    if (handle)
        dlclose(handle);
    return good;
}

static void *thread(void *unused)
{
    pthread_barrier_wait(&started);
    do {
        if (!use(other, 4))
            wrong("another thread's library");
    } while (!stop);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *path = argv[1];
    pthread_t ids[THREADS];
    other = argv[2];
    free(malloc(100000));
    int before = state();
    pthread_barrier_init(&started, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&ids[i], NULL, thread, NULL))
            wrong("no thread");
    pthread_barrier_wait(&started);
    write(1, "E", 1);
    void *handle = dlopen(path, RTLD_NOW);
    write(1, handle ? "O" : "R", 1);
    const char *text = handle ? "" : dlerror();
    if (!handle && !text)
        wrong("no reason");
    dprintf(2, "%s\n", text);
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    if (handle && dlclose(handle))
        wrong("it does not close");
    if (state() != before)
        wrong("something is left behind");
    pid_t child = fork();
    if (child == 0)
        _exit(use(path, 8) ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    if (status)
        wrong("it does not open in a child");
    if (!use(path, 8))
        wrong("it does not open afterwards");
    if (handle)
        write(1, "OK\n", 3);
    return handle ? 42 : 44;
}
