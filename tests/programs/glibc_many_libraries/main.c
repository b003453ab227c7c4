// The libraries that everyday programs need, all at once: their constructors, versions and indirect functions.
//# libc: glibc
//# flags: -lm -lpthread -ldl -lrt -lutil -lresolv -lanl -l:libgcc_s.so.1 -l:libstdc++.so.6
//# stdout: 3 libraries of C, C++ and GCC
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    int count = 0;
    count += dlsym(RTLD_DEFAULT, "qsort") != NULL;
    count += dlsym(RTLD_DEFAULT, "_ZSt9terminatev") != NULL;
    count += dlsym(RTLD_DEFAULT, "_Unwind_Backtrace") != NULL;
    printf("%d libraries of C, C++ and GCC\n", count);
    return 0;
}
