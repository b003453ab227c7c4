#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int sibling_number(void);
void look(void)
{
    printf("user: %s, sibling: %s\n", dlsym(RTLD_DEFAULT, "user") ? "found" : "not found",
           dlsym(RTLD_DEFAULT, "sibling") ? "found" : "not found");
}
int call(void) { return sibling_number(); }
