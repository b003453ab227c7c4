// Shows its memory as its first library's constructor and its own main find it; and which rights it has.
#include <dlfcn.h>
#include <stdio.h>
#include <sys/auxv.h>

void show(const char *when);

int main(int argc, char **argv)
{
    show("main");
    for (int i = 1; i < argc; i++)
        if (!dlopen(argv[i], RTLD_NOW | RTLD_NODELETE))
            return puts(dlerror());
    if (argc > 1)
        show("opened");
    printf("== secure %lu\n", getauxval(AT_SECURE));
    return 0;
}
