// A destructor that dlclose runs looks up symbols and addresses: its own library and what that needs are still there (BZ 30425).
//# libc: glibc
//# lib: needed.c -> libneeded.so
//# lib: plain.c -> libplain.so libneeded.so
//# stdout: default: own 7, needed 11
//# stdout: next: needed 11, own -1
//# stdout: address: own 1, modules 1
//# stdout: libc: strlen 1
//# stdout: mapped 0 0
#include <dlfcn.h>
#include "maps.h"

int main(void)
{
    setbuf(stdout, NULL);
    dlclose(dlopen("./libplain.so", RTLD_NOW));
    printf("mapped %d %d\n", is_mapped("/libplain.so"), is_mapped("/libneeded.so"));
    return 0;
}
