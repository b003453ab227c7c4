// Variables and functions of libc that the program has of its own: libc uses the variables, which are interposable, and not the functions.
//# libc: musl
//# flags: -Wl,--export-dynamic -fno-builtin
//# args: -b value rest
//# env: GREETING=hello
//# stdout: environ 1 hello
//# stdout: option b value, next 3
//# stdout: added 1
//# stdout: name ./main
//# stdout: a file 1, functions called 0 0
//# stdout: one place 1
#include <dlfcn.h>
#include <stddef.h>

// Not by the headers, which declare them.
extern int printf(const char *, ...), getopt(int, char **, const char *), setenv(const char *, const char *, int), strcmp(const char *, const char *);
extern char *getenv(const char *);
// libc goes by the names with underscores.
char **__environ = 0;
extern char **environ __attribute__((alias("__environ")));
char *optarg = 0;
int optind = 1, opterr = 1, optopt = 0, optreset = 0, written, opened;
char *__progname_full = "unset";
extern char *program_invocation_name __attribute__((alias("__progname_full")));

long write(int descriptor, const void *bytes, unsigned long length)
{
    written++;
    return length;
}
long writev(int descriptor, const void *parts, int count)
{
    written++;
    return 0;
}
int open(const char *name, int flags, ...)
{
    opened++;
    return -1;
}
extern void *fopen(const char *, const char *);

int main(int argc, char **argv)
{
    printf("environ %d %s\n", environ == argv + argc + 1, getenv("GREETING"));
    printf("option %c", getopt(argc, argv, "b:"));
    printf(" %s, next %d\n", optarg, optind);
    setenv("ADDED", "yes", 1);
    int found = 0;
    for (char **entry = environ; *entry; entry++)
        found += !strcmp(*entry, "ADDED=yes");
    printf("added %d\n", found);
    printf("name %s\n", program_invocation_name);
    printf("a file %d, functions called %d %d\n", fopen("/proc/self/exe", "r") != NULL, written, opened);
    printf("one place %d\n", dlsym(RTLD_DEFAULT, "environ") == (void *)&environ);
    return 0;
}
