// Frame information with absolute addresses is refused by dlopen in one line, with the relocation, its place and the fix; with distances it is loaded, and an exception passes
// through it.
//# libc: glibc
//# linkers: lld
//# lib: absolute.S -> libabsolute.so -nostartfiles -Wl,-z,notext,-T,@SOURCE@/../frames.ld
//# lib: relative.S -> librelative.so -Wl,-z,notext
//# flags: -rdynamic
//# oracle: no
//# stdout: refused: relocation, symbol and fix are named
//# stdout: caught 7
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
int main() {
    if (dlopen("./libabsolute.so", RTLD_NOW))
        return 1;
    const char *said = dlerror();
    bool named = true;
    const char *parts[] = {"R_X86_64_64 at 0x", "against `call_through'", "DW_EH_PE_pcrel"};
    for (const char *part : parts)
        named = named && std::strstr(said, part);
    if (!named || std::strchr(said, '\n'))
        std::puts(said);
    else
        std::puts("refused: relocation, symbol and fix are named");
    void *library = dlopen("./librelative.so", RTLD_NOW);
    if (!library)
        return std::puts(dlerror()), 2;
    auto call_through = (void (*)(void (*)()))dlsym(library, "call_through");
    try {
        call_through([] { throw 7; });
    } catch (int number) {
        std::printf("caught %d\n", number);
    }
}
