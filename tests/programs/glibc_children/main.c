// system, popen, posix_spawn, vfork and exec: children that the system's loader starts.
//# libc: glibc
//# stdout: from system
//# stdout: from popen
//# stdout: system 768
//# stdout: spawned 0
//# stdout: vforked 4
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    extern char **environ;
    system("echo from system");
    char line[64] = "";
    FILE *pipe = popen("echo from popen", "r");
    fgets(line, sizeof line, pipe);
    pclose(pipe);
    printf("%ssystem %d\n", line, system("exit 3"));
    fflush(stdout);
    pid_t child;
    int status = -1;
    char *arguments[] = {"true", NULL};
    if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0)
        waitpid(child, &status, 0);
    printf("spawned %d\n", status);
    fflush(stdout);
    child = vfork();
    if (child == 0)
        _exit(4);
    waitpid(child, &status, 0);
    printf("vforked %d\n", WEXITSTATUS(status));
    return 0;
}
