/* What a loader's elementary operations cost on this machine: one line each, the name, a tab, and nanoseconds (the median of nine measurements). */
#define _GNU_SOURCE
#include <cpuid.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TIMES = 9, PAGE = 4096, PAGES = 2048, BYTES = PAGE * PAGES, HUGE = 2 << 20 };

static volatile unsigned long sink;
static int file;
static const char *path;
static char *buffer;

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

/* Measures `body`, which does a thing `count` times. */
#define COST(name, count, before, body, after)                \
    do {                                                      \
        double times[TIMES];                                  \
        for (int round = 0; round < TIMES; round++) {         \
            before;                                           \
            double begin = now();                             \
            body;                                             \
            times[round] = (now() - begin) / (count);         \
            after;                                            \
        }                                                     \
        qsort(times, TIMES, sizeof *times, order);            \
        printf("%s\t%.1f\n", name, times[TIMES / 2]);         \
    } while (0)
#define REPEAT(count, body) for (int turn = 0; turn < (count); turn++) body

static char *of_file(int flags) { return mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, file, 0); }
static char *anonymous(size_t length) { return mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void write_pages(char *memory) { REPEAT(PAGES, memory[(size_t)turn * PAGE]++); }

static void map_library(void)
{
    enum { SEGMENT = 4 * PAGE };
    char *base = mmap(0, 4 * SEGMENT, PROT_READ, MAP_PRIVATE, file, 0);
    mmap(base + SEGMENT, SEGMENT, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, SEGMENT);
    mmap(base + 2 * SEGMENT, SEGMENT, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 2 * SEGMENT);
    mmap(base + 3 * SEGMENT, SEGMENT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 3 * SEGMENT);
    munmap(base, 4 * SEGMENT);
}

static void calls(void)
{
    unsigned a, b, c, d;
    struct stat status;
    COST("CPUID", 200, , REPEAT(200, { __cpuid_count(7, 0, a, b, c, d); sink += b; }), );
    COST("a system call that does nothing", 10000, , REPEAT(10000, syscall(SYS_getpid)), );
    COST("openat and close", 2000, , REPEAT(2000, close(open(path, O_RDONLY | O_CLOEXEC))), );
    COST("openat, no such file", 2000, , REPEAT(2000, open("/usr/lib/x86_64-linux-gnu/no-such-file.so.0", O_RDONLY | O_CLOEXEC)), );
    COST("fstat", 2000, , REPEAT(2000, fstat(file, &status)), );
    COST("pread of 832 bytes", 2000, , REPEAT(2000, sink += pread(file, buffer, 832, 0)), );
    COST("mmap and munmap of 64 KiB of a file", 1000, , REPEAT(1000, munmap(mmap(0, 65536, PROT_READ, MAP_PRIVATE, file, 0), 65536)), );
    COST("map a library of 4 segments, and unmap it", 500, , REPEAT(500, map_library()), );
}

static void pages(void)
{
    char *memory, *raw;
    COST("mprotect that splits a mapping", 1000, memory = of_file(0); write_pages(memory),
         REPEAT(1000, mprotect(memory + (size_t)(turn & ~1) * PAGE, PAGE, turn & 1 ? PROT_READ | PROT_WRITE : PROT_READ)), munmap(memory, BYTES));
    COST("page of a file, first read (many at a time)", PAGES, memory = of_file(0), REPEAT(PAGES, sink += memory[(size_t)turn * PAGE]), munmap(memory, BYTES));
    COST("page of a file, first write", PAGES, memory = of_file(0), write_pages(memory), munmap(memory, BYTES));
    COST("page of a file, MAP_POPULATE and write", PAGES, , memory = of_file(MAP_POPULATE); write_pages(memory), munmap(memory, BYTES));
    COST("anonymous page, pread and write", PAGES, memory = anonymous(BYTES); madvise(memory, BYTES, MADV_NOHUGEPAGE),
         sink += pread(file, memory, BYTES, 0); write_pages(memory), munmap(memory, BYTES));
    COST("4 KiB of an anonymous huge page, pread and write", PAGES,
         raw = anonymous(BYTES + HUGE); memory = (char *)(((uintptr_t)raw + HUGE - 1) & -(uintptr_t)HUGE); madvise(memory, BYTES, MADV_HUGEPAGE),
         sink += pread(file, memory, BYTES, 0); write_pages(memory), munmap(raw, BYTES + HUGE));
    COST("copy of 4 KiB of memory", PAGES, memory = anonymous(BYTES); write_pages(memory), memcpy(memory, buffer, BYTES), munmap(memory, BYTES));
}

int main(int count, char **arguments)
{
    if (count != 2)
        return 2;
    path = arguments[1];
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    buffer = malloc(BYTES);
    if (file < 0 || !buffer)
        return 1;
    memset(buffer, 1, BYTES);
    if (write(file, buffer, BYTES) != BYTES)
        return 1;
    calls();
    pages();
    return unlink(path);
}
