// The first call of a function asks its resolver, which may do whatever a program may: fork, or never return. What is closed later is unmapped all the same, in the child too.
//# libc: glibc
//# lib: a.c -> liba.so
//# lib: late.c -> liblate.so
//# flags: -Wl,-z,lazy liba.so
//# bind: lazy
//# stdout: answer 42
//# stdout: child 0
//# stdout: again 42, asked 1
//# stdout: left 0
#include <dlfcn.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../glibc_slots_wait_for_resolvers/many.h"

extern pid_t child;
extern int asked;
extern jmp_buf away;
extern int forks(void), leaves(void);
#define DECLARE(name) extern int name(void);
ALL(DECLARE)

static int left_of_closed(void)
{
    void *late = dlopen("./liblate.so", RTLD_NOW);
    if (!late || dlclose(late))
        return -1;
    int left = 0;
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        left += strstr(line, "liblate.so") != 0;
    fclose(maps);
    return left;
}

#define ADD(name) +name()
int main(int argc, char **arguments)
{
    if (argc > 9)
        return 0 ALL(ADD);
    int answer = forks();
    if (child == 0)
        _exit(answer == 42 ? left_of_closed() : 1);
    int status = -1;
    waitpid(child, &status, 0);
    printf("answer %d\nchild %d\n", answer, status);
    printf("again %d, asked %d\n", forks(), asked);
    if (setjmp(away) == 0)
        leaves();
    printf("left %d\n", left_of_closed());
    return 0;
}
