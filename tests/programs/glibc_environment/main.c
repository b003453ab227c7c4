// environ, setenv, putenv, unsetenv, secure_getenv, program_invocation_name.
//# libc: glibc
//# env: ORIGINAL=1
//# stdout: ORIGINAL 1
//# stdout: secure 1
//# stdout: added 2
//# stdout: replaced 3
//# stdout: gone (null)
//# stdout: name main
//# stdout: child 2
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    printf("ORIGINAL %s\n", getenv("ORIGINAL"));
    printf("secure %s\n", secure_getenv("ORIGINAL"));
    setenv("ADDED", "2", 1);
    printf("added %s\n", getenv("ADDED"));
    putenv("ORIGINAL=3");
    printf("replaced %s\n", getenv("ORIGINAL"));
    unsetenv("ORIGINAL");
    printf("gone %s\n", getenv("ORIGINAL") ? getenv("ORIGINAL") : "(null)");
    printf("name %s\n", program_invocation_short_name);
    fflush(stdout);
    return system("echo child $ADDED");
}
