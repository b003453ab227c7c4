// Looks up a thousand symbols in a library that has very many, from the first to the last, and a thousand that it has not.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    void *library = dlopen(arguments[1], RTLD_NOW);
    long symbols = atol(arguments[2]), found = 0, absent = 0;
    char *first = library ? dlsym(library, "first") : NULL;
    for (long i = 0; first && i < 1000; i++) {
        char name[64];
        long number = i * (symbols - 1) / 999;
        snprintf(name, sizeof name, "symbol_%ld", number);
        found += dlsym(library, name) == first + number % 64;
        snprintf(name, sizeof name, "symbol_%ld", symbols + i);
        absent += dlsym(library, name) == NULL;
    }
    printf("found %ld of 1000, absent %ld of 1000\n", found, absent);
    return 0;
}
