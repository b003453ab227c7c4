#include <sys/wait.h>
#include <unistd.h>

extern int opened;
int opened_once_more(void) { return opened; }

int fork_and_wait(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}
