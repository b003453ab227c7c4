#include <dlfcn.h>
#include <stdio.h>
static int live;
int inner(void) { return live; }
static void open_it(const char *file, const char *name)
{
    void *library = dlopen(file, RTLD_NOW);
    int (*function)(void) = library ? (int (*)(void))dlsym(library, name) : NULL;
    printf("  %s %d\n", file, function ? function() : -1);
}
__attribute__((constructor)) static void come(void)
{
    puts("+ inner begins");
    open_it("./libouter.so", "outer");
    open_it("./libsibling.so", "sibling");
    open_it("./libinner.so", "inner");
    open_it("./libuser.so", "user");
    printf("  user is found %d\n", dlsym(RTLD_DEFAULT, "user") != NULL);
    live = 1;
    puts("+ inner ends");
}
__attribute__((destructor)) static void go(void) { puts("- inner"); }
