// A library that is opened RTLD_LOCAL is seen by its own group and by nobody else; RTLD_GLOBAL later makes it global, and what is opened after that finds it first.
//# libc: musl
//# lib: value.c -> libone.so -DNUMBER=1
//# lib: value.c -> libtwo.so -DNUMBER=2
//# lib: user.c -> libuserone.so libone.so
//# lib: user.c -> libusertwo.so libtwo.so
//# lib: user.c -> libnobody.so
//# stdout: first group 1
//# stdout: Error relocating ./libnobody.so: value: symbol not found
//# stdout: nobody's -1
//# stdout: nobody sees it 1
//# stdout: now they do 1
//# stdout: nobody's 1
//# stdout: second group, after the global one 1
//# stdout: the first stays 1
#include <dlfcn.h>
#include <stdio.h>

static int use(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return puts(dlerror()), -1;
    return ((int (*)(void))dlsym(handle, "use"))();
}

int main(void)
{
    printf("first group %d\n", use("./libuserone.so"));
    printf("nobody's %d\n", use("./libnobody.so"));
    printf("nobody sees it %d\n", dlsym(RTLD_DEFAULT, "value") == NULL);
    dlopen("./libone.so", RTLD_NOW | RTLD_GLOBAL);
    printf("now they do %d\n", dlsym(RTLD_DEFAULT, "value") != NULL);
    printf("nobody's %d\n", use("./libnobody.so"));
    printf("second group, after the global one %d\n", use("./libusertwo.so"));
    dlopen("./libtwo.so", RTLD_NOW | RTLD_GLOBAL);
    printf("the first stays %d\n", ((int (*)(void))dlsym(RTLD_DEFAULT, "value"))());
    return 0;
}
