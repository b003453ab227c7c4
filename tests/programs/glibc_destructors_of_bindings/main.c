// A plugin uses what its host brought by RTLD_GLOBAL without needing it: its destructors run first all the same, by dlclose and at exit. And
// dlerror forgets a failure once another call of the family has succeeded.
//# libc: glibc
//# lib: host.c -> libhost.so
//# lib: plugin.c -> libplugin.so
//# stdout: plugin finds 1
//# stdout: host closed
//# stdout: plugin ends and finds 1
//# stdout: host ends
//# stdout: both closed
//# stdout: after dlsym (nil), dlopen (nil), dlclose (nil)
//# stdout: plugin finds 1
//# stdout: plugin ends and finds 1
//# stdout: host ends
#include <dlfcn.h>
#include <stdio.h>

static void open_both(void **host, void **plugin)
{
    *host = dlopen("./libhost.so", RTLD_NOW | RTLD_GLOBAL);
    *plugin = dlopen("./libplugin.so", RTLD_NOW);
}

static void fail(void)
{
    dlsym(RTLD_DEFAULT, "nowhere");
}

int main(void)
{
    setbuf(stdout, NULL);
    void *host, *plugin;
    open_both(&host, &plugin);
    dlclose(host);
    puts("host closed");
    dlclose(plugin);
    puts("both closed");
    fail();
    dlsym(RTLD_DEFAULT, "puts");
    printf("after dlsym %p", (void *)dlerror());
    fail();
    host = dlopen("libm.so.6", RTLD_NOW);
    printf(", dlopen %p", (void *)dlerror());
    fail();
    dlclose(host);
    printf(", dlclose %p\n", (void *)dlerror());
    open_both(&host, &plugin);
    return 0;
}
