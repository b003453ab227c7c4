// popen, system, posix_spawn, vfork and exec: children of a program.
//# libc: musl
//# stdout: from a pipe
//# stdout: pclose 0
//# stdout: from system
//# stdout: system 3
//# stdout: spawned
//# stdout: posix_spawn 4
//# stdout: vfork 5
//# stdout: second image of this program
//# stdout: exec 9
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    char line[64] = "";
    int status;
    pid_t child;
    if (argc > 1)
        return printf("second image of %s\n", argv[1]), 9;
    FILE *pipe = popen("echo from a pipe", "r");
    fgets(line, sizeof line, pipe);
    printf("%s", line);
    printf("pclose %d\n", pclose(pipe));
    fflush(stdout);
    printf("system %d\n", WEXITSTATUS(system("echo from system; exit 3")));
    fflush(stdout);
    char *words[] = {"sh", "-c", "echo spawned; exit 4", 0};
    posix_spawn(&child, "/bin/sh", 0, 0, words, environ);
    waitpid(child, &status, 0);
    printf("posix_spawn %d\n", WEXITSTATUS(status));
    fflush(stdout);
    child = vfork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 5", (char *)0);
        _exit(1);
    }
    waitpid(child, &status, 0);
    printf("vfork %d\n", WEXITSTATUS(status));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        execl("./main", "./main", "this program", (char *)0);
        _exit(1);
    }
    waitpid(child, &status, 0);
    printf("exec %d\n", WEXITSTATUS(status));
    return 0;
}
