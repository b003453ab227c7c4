// What of libc uses the allocator that stands in the place of its own.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int allocations;
extern int is_ours(void *);

static void *thread(void *argument) { return strdup("thread"); }

static void check(void)
{
    char *text, *line = 0;
    size_t size = 0;
    int before = allocations;
    printf("strdup %d\n", is_ours(strdup("text")));
    asprintf(&text, "%d", 12);
    printf("asprintf %d %s\n", is_ours(text), text);
    FILE *file = tmpfile();
    printf("a file %d\n", is_ours(file));
    fputs("one line\n", file);
    rewind(file);
    getline(&line, &size, file);
    printf("getline %d %s", is_ours(line), line);
    fclose(file);
    printf("getcwd %d\n", is_ours(getcwd(0, 0)));
    printf("allocations %d\n", allocations > before + 4);
    pthread_t id;
    void *result;
    pthread_create(&id, 0, thread, 0);
    pthread_join(id, &result);
    printf("%s %d\n", (char *)result, is_ours(result));
    errno = 0;
    void *aligned = aligned_alloc(64, 64);
    printf("aligned_alloc %d %s\n", aligned == 0, strerror(errno));
}
