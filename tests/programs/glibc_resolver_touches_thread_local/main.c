// A resolver may touch thread-local data of its own library that has its block on first touch, before anybody knows of the library: at the start, in dlopen by
// __tls_get_addr and by a descriptor, beside a thread. A library whose opening fails after that leaves nothing to the one that gets its number. (glibc's loader
// crashes.)
//# libc: glibc
//# linkers: bfd
//# lib: library.c -> libstart.so -DNAME=start -DFIRST=40
//# lib: library.c -> libcall.so -DNAME=call -DFIRST=50 -mtls-dialect=gnu
//# lib: library.c -> libdescriptor.so -DNAME=descriptor -DFIRST=60 -mtls-dialect=gnu2
//# lib: fails.c -> libfails.so -O1 -nostdlib -fvisibility=hidden -mtls-dialect=gnu2
//# lib: library.c -> libafter.so -DNAME=after -DFIRST=70
//# after: swap libfails.so 01000000010000000000000000000000 0a000000010000000000000000000000
//# flags: libstart.so -pthread
//# oracle: no
//# stdout: start: chosen for 40, thread-local 41, pointer 1; in a thread 41, pointer 1
//# stdout: libcall.so: chosen for 50, thread-local 51, pointer 1; in a thread 51, pointer 1
//# stdout: libdescriptor.so: chosen for 60, thread-local 61, pointer 1; in a thread 61, pointer 1
//# stdout: libfails.so is refused
//# stdout: libafter.so: chosen for 70, thread-local 71, pointer 1; in a thread 71, pointer 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

typedef int function(void);
int start_chosen(void), start_next(void), start_pointer(void);

static function *next, *pointer;
static int value, leads_home;

static void *in_a_thread(void *unused)
{
    value = next();
    leads_home = pointer();
    return unused;
}

static void tell(const char *name, function *chosen)
{
    pthread_t thread;
    printf("%s: chosen for %d, thread-local %d, pointer %d; ", name, chosen(), next(), pointer());
    pthread_create(&thread, NULL, in_a_thread, NULL);
    pthread_join(thread, NULL);
    printf("in a thread %d, pointer %d\n", value, leads_home);
}

static void open(const char *file, const char *names[3])
{
    void *library = dlopen(file, RTLD_NOW);
    if (library == NULL) {
        printf("%s is refused\n", file);
        return;
    }
    next = dlsym(library, names[1]);
    pointer = dlsym(library, names[2]);
    tell(file, dlsym(library, names[0]));
}

int main(void)
{
    next = start_next;
    pointer = start_pointer;
    tell("start", start_chosen);
    open("libcall.so", (const char *[]){"call_chosen", "call_next", "call_pointer"});
    open("libdescriptor.so", (const char *[]){"descriptor_chosen", "descriptor_next", "descriptor_pointer"});
    open("libfails.so", NULL);
    open("libafter.so", (const char *[]){"after_chosen", "after_next", "after_pointer"});
    return 0;
}
