// Where the loader, the program and a library are in this process.
#include <stdio.h>
#include <sys/auxv.h>

int main(void)
{
    printf("%lx %lx %lx\n", getauxval(AT_BASE), getauxval(AT_PHDR), (unsigned long)&puts);
    return 0;
}
