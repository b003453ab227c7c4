#include <setjmp.h>
#include <sys/types.h>
#include <unistd.h>
#include "../glibc_slots_wait_for_resolvers/many.h"

#define DEFINE(name) int name(void) { return 1; }
ALL(DEFINE)

pid_t child = -1;
int asked;
jmp_buf away;

static int answer(void) { return 42; }

static int (*fork_first(void))(void)
{
    asked++;
    child = fork();
    return answer;
}
int forks(void) __attribute__((ifunc("fork_first")));

static int (*leave(void))(void)
{
    longjmp(away, 1);
}
int leaves(void) __attribute__((ifunc("leave")));
