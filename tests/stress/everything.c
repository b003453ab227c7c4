// Everything at once: two threads open, use and close libraries and look up what is not there, one makes threads that touch thread-local data for the first
// time, one looks at all modules, and the first thread forks children that open libraries, too.
//
// everything SECONDS OPENINGS CHILDREN LIBRARIES: ends when so much time has passed, so many libraries were opened and so many children have ended (0: that does
// not count, or nobody forks). The libraries are ./plug0.so and so on. One line tells how much was done, and how much of it was wrong.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int libraries;
static atomic_int stop;
static atomic_long openings, made, iterations, wrong;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void expect(int right, const char *what)
{
    if (!right && wrong++ < 10)
        fprintf(stderr, "wrong: %s: %s\n", what, dlerror());
}

typedef int (*plug)(int);

static void *open_one(int number, int mode, const char *symbol, plug *function)
{
    char name[32];
    snprintf(name, sizeof name, "./plug%d.so", number);
    void *handle = dlopen(name, mode);
    *function = handle ? (plug)dlsym(handle, symbol) : NULL;
    expect(*function != NULL, "open");
    return handle;
}

static void *open_and_close(void *seed)
{
    unsigned state = (unsigned)(long)seed;
    while (!stop) {
        plug function;
        int number = rand_r(&state) % libraries;
        void *handle = open_one(number, rand_r(&state) & 1 ? RTLD_NOW : RTLD_LAZY, "plug", &function);
        if (!function)
            continue;
        for (int i = 0; i < 3; i++)
            expect(function(rand_r(&state)) == number, "value");
        if (openings % 16 == 0) {
            expect(!dlsym(handle, "absent"), "absent symbol");
            const char *text = dlerror();
            expect(text && strstr(text, "absent"), "text of the look-up");
            expect(!dlopen("/absent/file.so", RTLD_NOW), "absent file");
            text = dlerror();
            expect(text && strstr(text, "/absent/file.so"), "text of the opening");
        }
        expect(dlclose(handle) == 0, "close");
        openings++;
    }
    return NULL;
}

static int look(struct dl_phdr_info *info, size_t size, void *sum)
{
    for (int i = 0; i < info->dlpi_phnum; i++)
        *(long *)sum += info->dlpi_phdr[i].p_type == PT_LOAD;
    return 0;
}

static void *iterate(void *unused)
{
    while (!stop) {
        long sum = 0;
        dl_iterate_phdr(look, &sum);
        expect(sum > 8, "iterate");
        iterations++;
    }
    return unused;
}

static void *touch(void *function) { return (void *)(long)((plug)function)(7); }

static void *make_threads(void *unused)
{
    unsigned state = 99;
    while (!stop) {
        plug function;
        int number = rand_r(&state) % libraries;
        void *handle = open_one(number, RTLD_NOW, "plug", &function);
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, touch, (void *)function);
        for (int i = 0; i < 4; i++) {
            void *value;
            pthread_join(threads[i], &value);
            expect((long)value == number, "value in a new thread");
        }
        expect(dlclose(handle) == 0, "close");
        made += 4;
    }
    return unused;
}

static int child(unsigned state)
{
    alarm(20);
    for (int i = 0; i < 2; i++) {
        plug function;
        int number = rand_r(&state) % libraries;
        open_one(number, RTLD_NOW, "bare", &function);
        // It is not closed again: its destructor would ask libc for a lock that fork leaves as another thread had it.
        if (!function || function(3) != number)
            return 1;
    }
    return 0;
}

int main(int count, char **arguments)
{
    double seconds = atof(arguments[1]), begin = now(), moved = begin;
    long enough = atol(arguments[2]), wanted = atol(arguments[3]), children = 0, seen = 0, bad = 0;
    libraries = atoi(arguments[4]);
    pthread_t threads[4];
    pthread_create(&threads[0], NULL, open_and_close, (void *)1);
    pthread_create(&threads[1], NULL, open_and_close, (void *)2);
    pthread_create(&threads[2], NULL, make_threads, NULL);
    pthread_create(&threads[3], NULL, iterate, NULL);
    while (now() - begin < seconds || openings < enough || children < wanted) {
        if (wanted) {
            int status = -1;
            pid_t id = fork();
            if (id == 0)
                _exit(child(children));
            waitpid(id, &status, 0);
            if (status != 0 && bad++ < 10)
                fprintf(stderr, "child %ld ended with %#x\n", children, status);
            children++;
        } else
            usleep(10000);
        if (openings != seen) {
            seen = openings;
            moved = now();
        }
        if (now() - moved > 60) {
            printf("stuck after %ld openings\n", (long)openings);
            fflush(stdout);
            _exit(2);
        }
    }
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("openings %ld, a second %.0f, threads %ld, iterations %ld, children %ld, wrong %ld, bad children %ld\n", (long)openings,
           openings / (now() - begin), (long)made, (long)iterations, children, (long)wrong, bad);
    return 0;
}
