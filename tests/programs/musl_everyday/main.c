// Functions of every day: sorting, searching, regular expressions, numbers and mathematics, strings, streams, time, random numbers, sockets, memory.
//# libc: musl
//# stdout: sorted 1 5 9, found at 3
//# stdout: regex 0 3 6
//# stdout: 1.4142135623731 0.909297426825682 1.4142135623731 3.17805383034795
//# stdout: 0.9092974268 0x1.5555555555555p-1 0
//# stdout:  3.14|42   |000ff|text|lon|w
//# stdout: 12 -63 255
//# stdout: one.two.three.
//# stdout: scanned 2 17 stream
//# stdout: Tue 060, match 0
//# stdout: random 262836907
//# stdout: socket 4
//# stdout: kept 1
//# stdout: aligned 1
//# stdout: value
//# stdout: glob 0 /etc/passwd
//# stdout: clock 0 1
#define _GNU_SOURCE
#include <complex.h>
#include <dirent.h>
#include <fnmatch.h>
#include <glob.h>
#include <math.h>
#include <regex.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static int by_value(const void *a, const void *b) { return *(int *)a - *(int *)b; }

int main(void)
{
    int numbers[] = {9, 3, 7, 1, 5}, wanted = 7, pair[2];
    qsort(numbers, 5, sizeof *numbers, by_value);
    int *found = bsearch(&wanted, numbers, 5, sizeof *numbers, by_value);
    printf("sorted %d %d %d, found at %d\n", numbers[0], numbers[2], numbers[4], (int)(found - numbers));
    regex_t expression;
    regmatch_t match[2];
    regcomp(&expression, "([0-9]+)-b", REG_EXTENDED);
    printf("regex %d", regexec(&expression, "aa 123-b", 2, match, 0));
    printf(" %d %d\n", (int)match[1].rm_so, (int)match[1].rm_eo);
    regfree(&expression);
    volatile double two = 2;
    printf("%.15g %.15g %.15g %.15g\n", sqrt(two), sin(two), pow(two, 0.5), lgamma(two + 3));
    printf("%.10Lg %a %g\n", sinl(two), two / 3, creal(csqrt(-4.0)));
    printf("%5.2f|%-5d|%05x|%s|%.3s|%lc\n", 3.14159, 42, 255, "text", "longer", L'w');
    printf("%g %ld %lu\n", strtod("0x1.8p3", 0), strtol("-77", 0, 8), strtoul("ff", 0, 16));
    char words[] = "one two  three", *rest = words;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(0, " ", &rest))
        printf("%s.", word);
    printf("\n");
    char buffer[64];
    FILE *stream = fmemopen(buffer, sizeof buffer, "w+");
    fprintf(stream, "%d %s", 17, "stream");
    rewind(stream);
    char text[16];
    int number;
    printf("scanned %d", fscanf(stream, "%d %15s", &number, text));
    printf(" %d %s\n", number, text);
    fclose(stream);
    struct tm date = {.tm_year = 100, .tm_mon = 1, .tm_mday = 29};
    strftime(buffer, sizeof buffer, "%a %j", (timegm(&date), &date));
    printf("%s, match %d\n", buffer, fnmatch("*.[ch]", "main.c", 0));
    srandom(1);
    printf("random %ld\n", random());
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    write(pair[0], "ping", 4);
    printf("socket %d\n", (int)read(pair[1], buffer, 64));
    char *grown = malloc(10);
    strcpy(grown, "kept");
    grown = realloc(grown, 1 << 20);
    printf("%s %d\n", grown, malloc(0) != NULL);
    free(grown);
    void *aligned = aligned_alloc(4096, 8192);
    printf("aligned %d\n", aligned && (uintptr_t)aligned % 4096 == 0);
    hcreate(10);
    hsearch((ENTRY){"key", "value"}, ENTER);
    printf("%s\n", (char *)hsearch((ENTRY){"key", 0}, FIND)->data);
    glob_t names;
    printf("glob %d", glob("/etc/passw?", 0, 0, &names));
    printf(" %s\n", names.gl_pathv[0]);
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    printf("clock %d %d\n", failed, now.tv_sec > 0);
    return 0;
}
