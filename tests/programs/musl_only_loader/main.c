// One libc is mapped, which is musl's, and nothing of glibc; and no other loader.
//# libc: musl
//# stdout: musl 1, glibc or its loader 0, writable code 0
#include <stdio.h>
#include <string.h>

int main(void)
{
    char line[512], last[512] = "";
    int musl = 0, other = 0, writable_code = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) {
        char *path = strchr(line, '/');
        writable_code += strstr(line, "rwx") != 0;
        if (!path || !strcmp(path, last))
            continue;
        strcpy(last, path);
        musl += !strcmp(strrchr(path, '/'), "/libc.so\n");
        other += strstr(path, "linux-gnu") || strstr(path, "ld-linux");
    }
    printf("musl %d, glibc or its loader %d, writable code %d\n", musl, other, writable_code);
    return 0;
}
