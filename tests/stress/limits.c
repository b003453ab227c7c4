// Opens a library in children whose address space (or, when a third word is there, whose data) is limited to one size after the other, and in one that has as many
// mappings as the kernel allows: it opens or is refused with a text that says why, and opens when the limit is gone.
//
// limits LIBRARY STEP [data]: sizes go up by STEP bytes, from what the process has; those of data from STEP (0 is none to the kernel), and it is told how much more than
// the process has is needed to open.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *library;
static int resource = RLIMIT_AS;

// 0: opened, 1: refused with a reason, 2: neither.
static int open_it(void)
{
    void *handle = dlopen(library, RTLD_NOW);
    if (handle) {
        int (*first)(void) = (int (*)(void))dlsym(handle, "first");
        return first && first() == 1 ? 0 : 2;
    }
    const char *text = dlerror();
    if (text && strcasestr(text, "cannot allocate memory"))
        return 1;
    fprintf(stderr, "text: %s\n", text ? text : "none");
    return 2;
}

// In bytes: address space, or data with the stack.
static long size(void)
{
    long space = 0, data = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    fscanf(file, "%ld %*d %*d %*d %*d %ld", &space, &data);
    fclose(file);
    return (resource == RLIMIT_AS ? space : data) * 4096;
}

static int with_limit(long bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(resource, &limit);
    int answer = open_it();
    setrlimit(resource, &none);
    return answer == 1 && open_it() != 0 ? 2 : answer;
}

static int with_many_mappings(long unused)
{
    // Pages that differ from their neighbours cannot be one mapping.
    size_t length = 80000ul * 2 * 4096;
    char *pages = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t at = 0; at < length && mprotect(pages + at, 4096, PROT_READ) == 0; at += 8192)
        ;
    int answer = open_it();
    munmap(pages, length);
    return answer == 1 && open_it() == 0 ? 1 : 2;
}

static int in_a_child(int (*function)(long), long value)
{
    int status;
    pid_t id = fork();
    if (id == 0)
        _exit(function(value));
    waitpid(id, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

int main(int count, char **arguments)
{
    library = arguments[1];
    int answers[4] = {0}, step = atoi(arguments[2]);
    long first, least = 0;
    if (count > 3)
        resource = RLIMIT_DATA, first = step;
    else
        first = size();
    for (int i = 0; i < 150; i++) {
        int answer = in_a_child(with_limit, first + i * (long)step);
        if (answer == 0 && !answers[0])
            least = first + i * (long)step - size();
        answers[answer]++;
    }
    printf("opened %d refused %d wrong %d\n", answers[0] > 0, answers[1] > 0, answers[2] + answers[3]);
    if (count > 3) {
        printf("needed %ld\n", least < 0 ? 0 : least);
        return 0;
    }
    printf("mappings used up: %d\n", in_a_child(with_many_mappings, 0));
    return 0;
}
