// What a version marks as not the default is not there for who asks without a version; dlsym too takes the default one.
//# libc: musl
//# lib: versions.c -> libversions.so -Wl,--version-script=@SOURCE@/map.txt
//# lib: plain.c -> libplain.so
//# lib: user.c -> libuser.so libplain.so
//# flags: libversions.so libuser.so
//# stdout: default 2
//# stdout: only hidden 30
//# stdout: looked up 2
#include <dlfcn.h>
#include <stdio.h>

extern int user(void), user_of_retired(void);

int main(void)
{
    printf("default %d\n", user());
    printf("only hidden %d\n", user_of_retired());
    printf("looked up %d\n", ((int (*)(void))dlsym(RTLD_DEFAULT, "answer"))());
    return 0;
}
