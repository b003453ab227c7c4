// An everyday program: getopt, qsort, regular expressions, wide characters, time.
//# libc: glibc
//# args: -a value rest
//# stdout: option a value
//# stdout: rest rest
//# stdout: sorted 1 2 3
//# stdout: match 3 6
//# stdout: wide 5
//# stdout: 1970-01-01
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "a:")) != -1)
        printf("option %c %s\n", option, optarg);
    printf("rest %s\n", argv[optind]);
    int numbers[] = {3, 1, 2};
    qsort(numbers, 3, sizeof *numbers, compare);
    printf("sorted %d %d %d\n", numbers[0], numbers[1], numbers[2]);
    regex_t expression;
    regmatch_t match;
    regcomp(&expression, "d[a-z]+", REG_EXTENDED);
    regexec(&expression, "abcdef", 1, &match, 0);
    printf("match %d %d\n", (int)match.rm_so, (int)match.rm_eo);
    printf("wide %zu\n", wcslen(L"abcde"));
    time_t zero = 0;
    char text[32];
    strftime(text, sizeof text, "%F", gmtime(&zero));
    puts(text);
    return 0;
}

