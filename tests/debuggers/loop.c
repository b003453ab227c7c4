// Opens and closes a library, and fails to open another, three times.

#include <dlfcn.h>
#include <stdio.h>

int main(void) {
    for (int i = 0; i < 3; i++) {
        void *library = dlopen("./other.so", RTLD_NOW);
        if (!library) return puts(dlerror());
        int (*work)(int) = (int (*)(int))dlsym(library, "work");
        printf("%d\n", work(i));
        if (dlclose(library)) return 2;
        if (dlopen("./missing.so", RTLD_NOW)) return 3;
    }
    return 0;
}
