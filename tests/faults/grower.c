// Opens copies of a library, N of them, while its data may grow by so many KiB; lifts that limit when one is refused, and opens it again.
//
// grower FOLDER N KIB: says on one line why the first was refused, and OK when all are open in the end.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

int main(int argc, char **argv)
{
    char line[4096];
    long data = 0;
    int refused = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        sscanf(line, "VmData: %ld", &data);
    fclose(status);
    free(malloc(100000));
    struct rlimit limit = {(data + 200 + atol(argv[3])) * 1024, RLIM_INFINITY};
    setrlimit(RLIMIT_DATA, &limit);
    for (int i = 0; i < atoi(argv[2]); i++) {
        snprintf(line, sizeof line, "%s/copy%d.so", argv[1], i);
        if (dlopen(line, RTLD_NOW))
            continue;
        const char *text = dlerror();
        if (!text || refused++) {
            printf("wrong: %s\n", text ? text : "no reason");
            return 43;
        }
        printf("%s\n", text);
        limit.rlim_cur = RLIM_INFINITY;
        setrlimit(RLIMIT_DATA, &limit);
        i--;
    }
    printf("OK %d\n", refused);
    return 0;
}
