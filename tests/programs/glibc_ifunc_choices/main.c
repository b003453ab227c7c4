// Which implementations libc's indirect functions choose: the distance of each from libc's base is the system loader's.
//# libc: glibc
//# stdout-any: yes
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>

int main(void)
{
    static const char *const names[] = {
        "memchr", "memcmp", "memcpy", "memmove", "mempcpy", "memrchr", "memset", "rawmemchr", "stpcpy", "stpncpy",
        "strcasecmp", "strcat", "strchr", "strchrnul", "strcmp", "strcpy", "strcspn", "strlen", "strncasecmp", "strncat",
        "strncmp", "strncpy", "strnlen", "strpbrk", "strrchr", "strspn", "strstr", "wcslen", "wcsnlen", "wmemset",
        "wmemcmp", "wcschr", "time", "gettimeofday", "__memcpy_chk",
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char *function = dlsym(RTLD_DEFAULT, names[i]);
        Dl_info info;
        if (function && dladdr(function, &info))
            printf("%s %lx\n", names[i], (unsigned long)(function - (char *)info.dli_fbase));
        else
            printf("%s %d\n", names[i], function != NULL);
    }
    return 0;
}
