// Unwinding through the loader restores what its callers keep in registers: exceptions and the end of a thread pass through a callback of
// dl_iterate_phdr, and a constructor that dlopen runs sees the whole stack.
//# libc: glibc
//# lib: thrower.cc -> libthrower.so
//# flags: -pthread -rdynamic -O2
//# stdout: sum 337495293
//# stdout: constructor sees main 1
//# stdout: thread ends with 5, cleanup saw 80
//# stdout: thread cancelled 1, cleanup saw 99
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <unistd.h>

static int depth;
static long seen;

static int throws(dl_phdr_info *, size_t, void *data)
{
    if (++depth % 3 == 0)
        throw static_cast<int>(reinterpret_cast<long>(data));
    return 0;
}

// More values live across the call than there are registers that a caller may clobber.
__attribute__((noinline)) static long busy(long a, long b, long c, long d, long e, long f)
{
    long sum = 0;
    for (long i = 0; i < 1000; i++) {
        long A = a * i, B = b ^ i, C = c + i, D = d - i, E = e * 3 + i, F = f | i;
        try {
            dl_iterate_phdr(throws, reinterpret_cast<void *>(i));
        } catch (int value) {
            sum += value == i;
        }
        sum += A + B * 2 + C * 3 + D * 5 + E * 7 + F * 11;
        a = A & 0xff;
        b = B;
        c = C;
        d = D;
        e = E & 0xffff;
        f = F;
    }
    return sum;
}

extern "C" void constructor_of_a_library()
{
    void *frames[64];
    int main_seen = 0, count = backtrace(frames, 64);
    for (int i = 0; i < count; i++) {
        Dl_info info;
        if (dladdr(frames[i], &info) && info.dli_saddr == dlsym(RTLD_DEFAULT, "main"))
            main_seen = 1;
    }
    printf("constructor sees main %d\n", main_seen);
}

static void cleanup(void *value) { seen = *static_cast<long *>(value); }

static int ends_thread(dl_phdr_info *, size_t, void *) { pthread_exit(reinterpret_cast<void *>(5)); }

static int waits(dl_phdr_info *, size_t, void *)
{
    for (;;)
        pause();
}

template <int (*callback)(dl_phdr_info *, size_t, void *)> static void *iterate(void *argument)
{
    long x = reinterpret_cast<long>(argument) * 3, y = x + 7, z = y * 2;
    pthread_cleanup_push(cleanup, &z);
    dl_iterate_phdr(callback, nullptr);
    pthread_cleanup_pop(0);
    return reinterpret_cast<void *>(x + y + z);
}

int main()
{
    setbuf(stdout, nullptr);
    printf("sum %ld\n", busy(1, 2, 3, 4, 5, 6));
    dlopen("./libthrower.so", RTLD_NOW);
    pthread_t thread;
    void *answer;
    pthread_create(&thread, nullptr, iterate<ends_thread>, reinterpret_cast<void *>(11));
    pthread_join(thread, &answer);
    printf("thread ends with %ld, cleanup saw %ld\n", reinterpret_cast<long>(answer), seen);
    seen = 0;
    pthread_create(&thread, nullptr, iterate<waits>, reinterpret_cast<void *>(14));
    usleep(50000);
    pthread_cancel(thread);
    pthread_join(thread, &answer);
    printf("thread cancelled %d, cleanup saw %ld\n", answer == PTHREAD_CANCELED, seen + 1);
    return 0;
}
