// An access to thread-local data takes no more instructions after two hundred libraries were opened, and half of them closed, than before, in an old
// thread (BZ 19924). Instructions are counted, not time.
//# libc: glibc
//# lib: value.cc -> libvalue.so -nostdlib
//# lib: value.cc -> libdescriptor.so -nostdlib -mtls-dialect=gnu2
//# bind: lazy
//# oracle: no
//# stdout: traditional: as few as before 1, few 1
//# stdout: descriptor: as few as before 1, few 1
#include "copies.h"
#include "steps.h"

static int *(*place)();
static int last;

static void access() { last += *place(); }
static void look(long) { }

static long count()
{
    access();
    return step_through(access, look);
}

int main()
{
    setenv("LODE_STEPS", "all", 1);
    static const char *const names[][2] = {{"libvalue.so", "traditional"}, {"libdescriptor.so", "descriptor"}};
    for (auto &name : names) {
        place = reinterpret_cast<int *(*)()>(dlsym(dlopen(name[0], RTLD_NOW), "place"));
        long before = count();
        void *handles[200];
        for (int i = 0; i < 200; i++)
            handles[i] = open_copy(name[0], RTLD_NOW);
        for (int i = 0; i < 200; i += 2)
            dlclose(handles[i]);
        long after = count();
        // The signal that begins and the return from it are in both counts.
        printf("%s: as few as before %d, few %d\n", name[1], after <= before, after < 100);
    }
    return 0;
}
