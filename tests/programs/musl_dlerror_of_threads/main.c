// What failed in a thread goes with the thread: many that look for a name in vain leave nothing behind, whether they ask what was wrong or not.
//# libc: musl
//# stdout: not asked 1
//# stdout: asked 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

enum { WARM_UP = 1000, THREADS = 5000, MOST_KB = 400 };

static void *fail(void *asks) {
    dlsym(RTLD_DEFAULT, "no_such_name_in_any_library_of_this_process");
    if (asks) dlerror();
    return 0;
}

static void make_threads(int count, void *asks) {
    for (int made = 0; made < count; made++) {
        pthread_t thread;
        if (pthread_create(&thread, 0, fail, asks) == 0) pthread_join(thread, 0);
    }
}

static long resident_kb(void) {
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;
    fclose(file);
    return resident * 4;
}

static int stays_small(void *asks) {
    make_threads(WARM_UP, asks);
    long before = resident_kb();
    make_threads(THREADS, asks);
    return resident_kb() - before < MOST_KB;
}

int main(void) {
    printf("not asked %d\n", stays_small(0));
    printf("asked %d\n", stays_small(""));
    return 0;
}
