/* Opens the library that its argument names, and says what came of it: the text of dlerror and status 3, or E, what the library finds, and status 42. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((visibility("default"))) int program_data = 4242;

int main(int count, char **words) {
    void *library = dlopen(words[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 3;
    }
    write(1, "E", 1);
    unsigned (*check)(void) = (unsigned (*)(void))dlsym(library, "spec_check");
    int *data = dlsym(library, "spec_data");
    int *pointer = dlvsym(library, "spec_constructed", "SPEC_2");
    if (check == NULL || data == NULL || pointer == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 3;
    }
    printf("%x %d %d\n", check(), data[3], *pointer);
    fflush(stdout);
    dlclose(library);
    _exit(42);
}
