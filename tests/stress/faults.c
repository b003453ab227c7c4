// Opens a library in one child after the other, and in each lets another call for memory fail (mmap, mprotect, mremap, brk), or all from that one on. Whatever
// is refused must say why, and leave mappings, descriptors and modules as they were; then the same library must open.
//
// faults LIBRARY once|on: a line with how many calls there were, how many openings were refused, and how much of all that was wrong.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GOOD = 0, REFUSED = 1, WRONG = 2 };

static int count(struct dl_phdr_info *info, size_t size, void *number)
{
    ++*(int *)number;
    return 0;
}

// Files that are mapped, descriptors, modules. No memory is asked for.
static int state(void)
{
    int number = 0, modules = 0, descriptors = 0;
    char line[512];
    static char buffer[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    setvbuf(maps, buffer, _IOFBF, sizeof buffer);
    while (fgets(line, sizeof line, maps))
        number += strstr(line, ".so") != NULL;
    fclose(maps);
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        descriptors++;
    closedir(folder);
    dl_iterate_phdr(count, &modules);
    return number * 1000000 + descriptors * 10000 + modules;
}

static void mark(void) { syscall(SYS_getppid); }

static int child(const char *library)
{
    int before = state();
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    mark();
    void *handle = dlopen(library, RTLD_NOW);
    mark();
    const char *text = handle ? "" : dlerror();
    if (!handle) {
        if (!text || !strcasestr(text, "cannot allocate memory")) {
            fprintf(stderr, "text: %s\n", text ? text : "none");
            return WRONG;
        }
        if (state() != before) {
            fprintf(stderr, "%d before, %d after: %s\n", before, state(), text);
            return WRONG;
        }
    }
    void *again = dlopen(library, RTLD_NOW);
    int (*first)(void) = again ? (int (*)(void))dlsym(again, "first") : NULL;
    if (!first || first() != 1) {
        fprintf(stderr, "again: %s\n", again ? "function" : dlerror());
        return WRONG;
    }
    return handle ? GOOD : REFUSED;
}

static int asks_for_memory(const struct user_regs_struct *registers)
{
    switch (registers->orig_rax) {
    case SYS_mmap:
    case SYS_mprotect:
    case SYS_mremap:
    case SYS_brk:
        return 1;
    default:
        return 0;
    }
}

// Lets call `number` of the child fail, and those behind it if `on`. Returns how the child ended; `*calls` is how many calls there were.
static int run(const char *library, int number, int on, int *calls)
{
    int status, inside = 0, marks = 0, failing = 0;
    pid_t id = fork();
    if (id == 0)
        _exit(child(library));
    *calls = 0;
    waitpid(id, &status, 0);
    if (!WIFSTOPPED(status))
        return status;
    ptrace(PTRACE_SETOPTIONS, id, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    for (long signal = 0;; signal = 0) {
        ptrace(PTRACE_SYSCALL, id, 0, signal);
        waitpid(id, &status, 0);
        if (!WIFSTOPPED(status))
            return status;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
            signal = WSTOPSIG(status);
            continue;
        }
        struct user_regs_struct registers;
        ptrace(PTRACE_GETREGS, id, 0, &registers);
        inside = !inside;
        if (inside) {
            marks += registers.orig_rax == SYS_getppid;
            if (marks == 2) {
                // The rest needs no company.
                ptrace(PTRACE_DETACH, id, 0, 0);
                waitpid(id, &status, 0);
                return status;
            }
            if (marks == 1 && asks_for_memory(&registers)) {
                failing = *calls == number || (on && *calls > number);
                ++*calls;
                if (failing) {
                    registers.orig_rax = -1;
                    ptrace(PTRACE_SETREGS, id, 0, &registers);
                }
            }
        } else if (failing) {
            registers.rax = -ENOMEM;
            ptrace(PTRACE_SETREGS, id, 0, &registers);
            failing = 0;
        }
    }
}

int main(int count, char **arguments)
{
    int refused = 0, wrong = 0, total = 0, on = !strcmp(arguments[2], "on");
    for (int number = 0;; number++) {
        int calls, status = run(arguments[1], number, on, &calls);
        if (calls <= number)
            break;
        total++;
        refused += WIFEXITED(status) && WEXITSTATUS(status) == REFUSED;
        if (!WIFEXITED(status) || WEXITSTATUS(status) == WRONG) {
            fprintf(stderr, "call %d: status %#x\n", number, status);
            wrong++;
        }
    }
    printf("calls %d refused %d wrong %d\n", total, refused, wrong);
    return 0;
}
