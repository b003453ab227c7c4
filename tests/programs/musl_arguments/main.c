// Arguments, environment and auxiliary vector are the kernel's own; the stack is aligned in constructors and in main (a loader that is run as a
// command moves all three); errno works.
//# libc: musl
//# args: one two
//# env: GREETING=hello
//# stdout: argc 3, the last is null 1
//# stdout: ./main
//# stdout: one
//# stdout: two
//# stdout: environ follows 1, hello
//# stdout: getauxval reads the vector after it 1
//# stdout: page 4096, sysconf 4096
//# stdout: not secure 0, to libc neither: hello
//# stdout: absent 0 No such file or directory
//# stdout: access -1 No such file or directory
//# stdout: aligned 1 1
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;
static int aligned_in_constructor;

// Of the function that it stands in.
#define ALIGNED() ((uintptr_t)__builtin_frame_address(0) % 16 == 0)

__attribute__((constructor)) static void init(void) { aligned_in_constructor = ALIGNED(); }

int main(int argc, char **argv)
{
    printf("argc %d, the last is null %d\n", argc, !argv[argc]);
    for (int i = 0; i < argc; i++)
        printf("%s\n", argv[i]);
    printf("environ follows %d, %s\n", environ == argv + argc + 1, getenv("GREETING"));
    char **end = environ;
    while (*end)
        end++;
    unsigned long *vector = (unsigned long *)(end + 1), *word = vector;
    int same = 1;
    for (; word[0]; word += 2)
        if (word[0] < 40 && getauxval(word[0]) != word[1])
            same = 0;
    printf("getauxval reads the vector after it %d\n", same);
    printf("page %lu, sysconf %ld\n", getauxval(AT_PAGESZ), sysconf(_SC_PAGESIZE));
    // libc counts a process as secure for good if it was not told of all four ids, whatever the vector says later.
    char *trusted = secure_getenv("GREETING");
    printf("not secure %lu, to libc neither: %s\n", getauxval(AT_SECURE), trusted ? trusted : "secure");
    printf("absent %lu", getauxval(12345));
    printf(" %s\n", strerror(errno));
    errno = 0;
    int answer = access("/absent/file", R_OK);
    printf("access %d %s\n", answer, strerror(errno));
    printf("aligned %d %d\n", aligned_in_constructor, ALIGNED());
    return 0;
}
