// Who is found: the first definition, weak or not; hidden names by nobody; undefined weak references are null.
//# libc: musl
//# lib: one.c -> libone.so
//# lib: two.c -> libtwo.so libone.so
//# lib: symbolic.c -> libsymbolic.so -Wl,-Bsymbolic
//# flags: libone.so libtwo.so libsymbolic.so -Wl,--export-dynamic
//# stdout: weak first 1
//# stdout: hidden 2, inside 1
//# stdout: protected 1, inside 1
//# stdout: weak undefined 0 0, weak defined 1
//# stdout: data 1, symbolic 3
#include <dlfcn.h>
#include <stdio.h>

extern int weak_first(void), hidden(void), protected(void), call_protected(void), hidden_seen_inside(void);
extern int weak_undefined(void), weak_defined(void), data_seen_by_two(void), data_seen_by_symbolic(void);
extern __attribute__((weak)) int absent(void);

int main(void)
{
    printf("weak first %d\n", weak_first());
    printf("hidden %d, inside %d\n", hidden(), hidden_seen_inside());
    printf("protected %d, inside %d\n", protected(), call_protected());
    printf("weak undefined %d %d, weak defined %d\n", weak_undefined(), absent != 0, weak_defined());
    printf("data %d, symbolic %d\n", data_seen_by_two(), data_seen_by_symbolic());
    return 0;
}
