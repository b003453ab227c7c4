// Opens a library between its first and its second write to descriptor 1, while a signal handler of the same thread opens and closes another one, a second
// thread does so too, and a third one forks children that do. Only the first thread meets faults: what it is refused has a reason, and the others get what
// they ask for.
//
// storm LIBRARY OTHER: ends with 42 when the library was opened, with 44 and the reason when it was refused, with 43 and a line when something is wrong.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALS = 3 };

static const char *path, *other;
static pthread_t first;
static pthread_barrier_t started;
static atomic_int inside, stop, handled;

static _Noreturn void wrong(const char *what)
{
    dprintf(2, "wrong: %s\n", what);
    _exit(43);
}

static int use(const char *file, int answer)
{
    void *handle = dlopen(file, RTLD_NOW);
    int (*run)(int) = handle ? (int (*)(int))dlsym(handle, "plug_run") : NULL;
    int good = run && run(1) == answer;
    if (handle)
        dlclose(handle);
    return good;
}

static void handler(int number)
{
    void *handle = dlopen(other, RTLD_NOW);
    if (handle)
        dlclose(handle);
    handled++;
}

static void *send(void *unused)
{
    pthread_barrier_wait(&started);
    while (!inside)
        sched_yield();
    for (int sent = 0; sent < SIGNALS; sent++) {
        pthread_kill(first, SIGUSR1);
        while (handled == sent)
            sched_yield();
    }
    return unused;
}

static void *open_and_close(void *unused)
{
    pthread_barrier_wait(&started);
    do
        if (!use(other, 4))
            wrong("another thread's library");
    while (!stop);
    return unused;
}

static void *make_children(void *unused)
{
    pthread_barrier_wait(&started);
    do {
        int status;
        pid_t child = fork();
        if (child == 0) {
            alarm(30);
            _exit(use(other, 4) ? 0 : 1);
        }
        if (waitpid(child, &status, 0) != child || status)
            wrong("a child");
    } while (!stop);
    return unused;
}

static int count(struct dl_phdr_info *info, size_t size, void *number)
{
    ++*(int *)number;
    return 0;
}

int main(int argc, char **argv)
{
    void *(*const work[])(void *) = {send, open_and_close, make_children};
    enum { THREADS = sizeof work / sizeof *work };
    pthread_t ids[THREADS];
    path = argv[1];
    other = argv[2];
    first = pthread_self();
    signal(SIGUSR1, handler);
    int before = 0, after = 0;
    dl_iterate_phdr(count, &before);
    pthread_barrier_init(&started, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&ids[i], NULL, work[i], NULL))
            wrong("no thread");
    pthread_barrier_wait(&started);
    write(1, "E", 1);
    inside = 1;
    void *handle;
    const char *text = NULL;
    int seen;
    // A handler that opens something between the refusal and the question for its reason takes the reason away.
    do {
        seen = handled;
        handle = dlopen(path, RTLD_NOW);
        text = handle ? "" : dlerror();
    } while (!text && seen != handled);
    write(1, handle ? "O" : "R", 1);
    if (!text)
        wrong("no reason");
    dprintf(2, "%s\n", text);
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    if (handled != SIGNALS)
        wrong("a signal was lost");
    if (handle && dlclose(handle))
        wrong("it does not close");
    if (!use(path, 8))
        wrong("it does not open afterwards");
    dl_iterate_phdr(count, &after);
    if (after != before)
        wrong("something is left behind");
    if (handle)
        write(1, "OK\n", 3);
    return handle ? 42 : 44;
}
