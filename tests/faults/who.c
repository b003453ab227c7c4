// Says on one line of the file that it is given whose library it got, whether it runs with rights that its user has not, which of the first descriptors are open,
// and which variables of the loader and of libc it was handed. Ends with 42.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;
const char *who(void);

int main(int argc, char **argv)
{
    static char line[65536], maps[65536];
    int at = 0, length = 0, got;
    struct stat status;
    at += sprintf(line + at, "library %s euid %d secure %ld open ", who(), (int)geteuid(), (long)getauxval(AT_SECURE));
    for (int i = 0; i < 3; i++)
        line[at++] = fstat(i, &status) == 0 ? '1' : '0';
    at += sprintf(line + at, " variables");
    for (char **entry = environ; *entry; entry++)
        if (at < 60000)
            at += sprintf(line + at, " %.*s", (int)strcspn(*entry, "=") & 63, *entry);
    int file = open("/proc/self/maps", O_RDONLY);
    while ((got = read(file, maps + length, sizeof maps - 1 - length)) > 0)
        length += got;
    at += sprintf(line + at, " mapped %d\n", strstr(maps, "evil") || strstr(maps, "libpcprofile") || strstr(maps, "libmemusage"));
    file = open(argv[1], O_WRONLY | O_APPEND);
    write(file, line, at);
    return 42;
}
