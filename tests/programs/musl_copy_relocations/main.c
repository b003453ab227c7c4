// Data of libc and of a library that the program has copies of: all see the copies, with the values that their owners gave them, and libc writes there.
//# libc: musl
//# lib: library.c -> liblibrary.so
//# flags: -Wno-error liblibrary.so
//# args: -x value rest
//# env: TZ=XYZ-3
//# stdout: stdout, stderr
//# stdout: environ 1 1
//# stdout: setenv changes the copy 1
//# stdout: option x argument value, optind 3
//# stdout: tzname XYZ, timezone -10800, daylight 0
//# stdout: name ./main main
//# stdout: name by other names ./main main
//# stdout: library's pointer 33, the library's too 1
//# stdout: looked up 1 1
//# stdout: library's numbers 30, one place 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ, **__environ, *__progname, *__progname_full;
extern int *pointer_of_the_library, numbers[4], *pointer_seen_inside(void), *numbers_seen_inside(void);

int main(int argc, char **argv)
{
    fprintf(stdout, "stdout, %s\n", fileno(stderr) == 2 ? "stderr" : "something else");
    printf("environ %d %d\n", environ == argv + argc + 1, environ == __environ);
    setenv("ADDED", "yes", 1);
    int found = 0;
    for (char **entry = environ; *entry; entry++)
        found += !strcmp(*entry, "ADDED=yes");
    printf("setenv changes the copy %d\n", found);
    printf("option %c", getopt(argc, argv, "x:"));
    printf(" argument %s, optind %d\n", optarg, optind);
    tzset();
    printf("tzname %s, timezone %ld, daylight %d\n", tzname[0], timezone, daylight);
    printf("name %s %s\n", program_invocation_name, program_invocation_short_name);
    printf("name by other names %s %s\n", __progname_full, __progname);
    printf("library's pointer %d, the library's too %d\n", *pointer_of_the_library, pointer_seen_inside() == pointer_of_the_library);
    printf("looked up %d %d\n", dlsym(RTLD_DEFAULT, "stdout") == (void *)&stdout, dlsym(RTLD_DEFAULT, "environ") == (void *)&environ);
    numbers[2] = 30;
    printf("library's numbers %d, one place %d\n", numbers_seen_inside()[2], numbers_seen_inside() == numbers);
    return 0;
}
