// Symbol versions, which musl's own loader ignores: each object gets the version that it was linked with. An extension.
//# libc: musl
//# oracle: no
//# lib: ../musl_hidden_versions/versions.c -> libversions.so -Wl,--version-script=@SOURCE@/../musl_hidden_versions/map.txt -Wl,-soname,libversions.so
//# lib: old.c -> old/libversions.so -Wl,--version-script=@SOURCE@/old.txt -Wl,-soname,libversions.so
//# lib: ../musl_hidden_versions/user.c -> libuser.so old/libversions.so
//# lib: ../musl_hidden_versions/user.c -> libnewuser.so libversions.so -Duser=new_user -Duser_of_retired=never -Dretired=answer
//# flags: libuser.so libnewuser.so
//# stdout: linked with the old one 1 3, with the new one 2
#include <stdio.h>

extern int user(void), user_of_retired(void), new_user(void);

int main(void)
{
    printf("linked with the old one %d %d, with the new one %d\n", user(), user_of_retired(), new_user());
    return 0;
}
