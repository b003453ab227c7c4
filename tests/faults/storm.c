// Opens a library between its first and its second write to descriptor 1, while a signal handler of the same thread opens and closes another one, a second
// thread does so too, and a third one forks children that do. Only the first thread meets faults: what it is refused has a reason, and the others get what
// they ask for.
//
// storm LIBRARY OTHER: ends with 42 when the library was opened, with 44 and the reason when it was refused, by SIGABRT and with a line when something is wrong.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

// A thread that is signalled faster than it is traced gets nowhere, so there is an end to signals that meet it elsewhere.
enum { SIGNALS = 3, SENT = 60, OPENINGS = 3 };

static const char *path, *other;
static pthread_t first;
static pthread_barrier_t started;
static atomic_int inside, stop, handled;

static _Noreturn void wrong(const char *what)
{
    dprintf(2, "wrong: %s\n", what);
    abort();
}

static int use(const char *file, int answer, int close)
{
    void *handle = dlopen(file, RTLD_NOW);
    int (*run)(int) = handle ? (int (*)(int))dlsym(handle, "plug_run") : NULL;
    int good = run && run(1) == answer;
    if (handle && close)
        dlclose(handle);
    return good;
}

static int is_of_libc(struct dl_phdr_info *info, size_t size, void *place)
{
    int is_it = 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        is_it |= info->dlpi_phdr[i].p_type == PT_LOAD && *(size_t *)place - info->dlpi_addr - info->dlpi_phdr[i].p_vaddr < info->dlpi_phdr[i].p_memsz;
    if (is_it && strstr(info->dlpi_name, "libc.so"))
        return 1;
    return 0;
}

static void handler(int number, siginfo_t *signal, void *context)
{
    // libc keeps the text of a refusal in memory of malloc, which no handler may interrupt.
    size_t place = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    if (dl_iterate_phdr(is_of_libc, &place))
        return;
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
    for (int sent = 0; sent < SENT && !stop && handled < SIGNALS; sent++) {
        pthread_kill(first, SIGUSR1);
        usleep(100);
    }
    return unused;
}

static void *open_and_close(void *unused)
{
    pthread_barrier_wait(&started);
    do
        if (!use(other, 4, 1))
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
            // It is not closed again: its destructor would ask libc for a lock that fork leaves as another thread had it.
            _exit(use(other, 4, 0) ? 0 : 1);
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
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
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
    static char reason[1000];
    int seen, opened = 0;
    // A handler that opens something between the refusal and the copy of its reason takes the reason away.
    do {
        seen = handled;
        handle = dlopen(path, RTLD_NOW);
        const char *text = handle ? "" : dlerror();
        snprintf(reason, sizeof reason, "%s", text ? text : "");
        opened += handle != NULL;
    } while (handle ? opened < OPENINGS && !dlclose(handle) : seen != handled);
    write(1, handle ? "O" : "R", 1);
    if (!handle && !*reason)
        wrong("no reason");
    dprintf(2, "%s\n", reason);
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    if (handle && dlclose(handle))
        wrong("it does not close");
    if (!use(path, 8, 1))
        wrong("it does not open afterwards");
    dl_iterate_phdr(count, &after);
    if (after != before)
        wrong("something is left behind");
    if (handle)
        write(1, "OK\n", 3);
    return handle ? 42 : 44;
}
