// The same files as in glibc_absolute_frames, with leave: an exception passes through the relocated frame information, and no page of the library was left
// writable.
//# libc: glibc
//# linkers: lld
//# lib: frames.S -> libframes.so -nostartfiles -Wl,-z,notext,-T,@SOURCE@/../frames.ld
//# flags: libframes.so
//# env: LODE_OPTIONS=allow=textrel
//# stdout: caught 7
//# stdout: frames r--
//# stdout: code r-x
#include <cstdio>
#include <cstring>
extern "C" void call_through(void (*)());
int main() {
    try {
        call_through([] { throw 7; });
    } catch (int number) {
        std::printf("caught %d\n", number);
    }
    // The lowest segment has the frame information, and one of the others the code.
    unsigned long start, end, code = (unsigned long)call_through;
    char line[512], access[8], lowest[8] = "";
    std::FILE *maps = std::fopen("/proc/self/maps", "r");
    while (std::fgets(line, sizeof line, maps)) {
        if (!std::strstr(line, "libframes.so") || std::sscanf(line, "%lx-%lx %3s", &start, &end, access) != 3)
            continue;
        if (!*lowest)
            std::printf("frames %s\n", std::strcpy(lowest, access));
        if (start <= code && code < end)
            std::printf("code %s\n", access);
    }
}
