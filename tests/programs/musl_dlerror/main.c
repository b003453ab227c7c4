// What dlopen, dlsym, dlclose and dlinfo say when they fail: musl's words; an error belongs to its thread and is told once.
//# libc: musl
//# lib: tls.c -> libtls.so
//# lib: missing_tls.c -> libinitial.so -ftls-model=initial-exec libtls.so
//# lib: undefined.c -> libundefined.so
//# lib: gone.c -> libgone.so
//# lib: needs.c -> libneeds.so libgone.so
//# after: rm libgone.so
//# after: cp libneeds.so libshort.so
//# after: truncate libshort.so 50
//# flags: -Wl,--export-dynamic
//# stdout: nothing yet 1
//# stdout: absent: Error loading shared library absent.so: No such file or directory
//# stdout: absent path: Error loading shared library ./absent.so: No such file or directory
//# stdout: text: Error loading shared library ./text.so: Exec format error
//# stdout: no elf: Error loading shared library ./noelf.so: Exec format error
//# stdout: short: Error loading shared library ./libshort.so: Exec format error
//# stdout: folder: Error loading shared library ./folder: Is a directory
//# stdout: needed: Error loading shared library libgone.so: No such file or directory (needed by ./libneeds.so)
//# stdout: undefined: Error relocating ./libundefined.so: nobody_has_this: symbol not found
//# stdout: again: Error relocating ./libundefined.so: nobody_has_this: symbol not found
//# stdout: not loaded: Library ./libtls.so is not already loaded
//# stdout: initial exec 0 1
//# stdout: another thread's before 1
//# stdout: another thread's: Symbol not found: of_the_thread
//# stdout: symbol: Symbol not found: nothing_of_this_name
//# stdout: told once 1
//# stdout: symbol of the program: Symbol not found: nothing_at_all
//# stdout: close 1: Invalid library handle 0x1230
//# stdout: handle 0: Invalid library handle 0x1230
//# stdout: information -1: Unsupported request 12
//# stdout: opened after all 1
//# stdout: nothing left 1
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void attempt(const char *what, const char *name, int mode)
{
    void *handle = dlopen(name, mode);
    printf("%s: %s\n", what, handle ? "opened" : dlerror());
}

static void file(const char *name, int length)
{
    char text[4096], own[64];
    memset(text, 'x', sizeof text);
    // Under a name of its own first: the same program runs several times at once in this folder.
    snprintf(own, sizeof own, "%s.%d", name, (int)getpid());
    int file = open(own, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    write(file, text, length);
    close(file);
    rename(own, name);
}

static void *thread(void *argument)
{
    printf("another thread's before %d\n", dlerror() == NULL);
    dlsym(RTLD_DEFAULT, "of_the_thread");
    printf("another thread's: %s\n", dlerror());
    return 0;
}

int main(void)
{
    pthread_t id;
    file("text.so", 10);
    file("noelf.so", 4096);
    mkdir("folder", 0755);
    printf("nothing yet %d\n", dlerror() == NULL);
    attempt("absent", "absent.so", RTLD_NOW);
    attempt("absent path", "./absent.so", RTLD_NOW);
    attempt("text", "./text.so", RTLD_NOW);
    attempt("no elf", "./noelf.so", RTLD_NOW);
    attempt("short", "./libshort.so", RTLD_NOW);
    attempt("folder", "./folder", RTLD_NOW);
    attempt("needed", "./libneeds.so", RTLD_NOW);
    attempt("undefined", "./libundefined.so", RTLD_NOW);
    attempt("again", "./libundefined.so", RTLD_NOW);
    attempt("not loaded", "./libtls.so", RTLD_NOW | RTLD_NOLOAD);
    // Which symbol, and whose, only musl's own text says.
    printf("initial exec %d", dlopen("./libinitial.so", RTLD_NOW) != NULL);
    printf(" %d\n", strstr(dlerror(), "initial-exec TLS resolves to dynamic definition") != NULL);
    dlsym(RTLD_DEFAULT, "nothing_of_this_name");
    pthread_create(&id, 0, thread, 0);
    pthread_join(id, 0);
    printf("symbol: %s\n", dlerror());
    printf("told once %d\n", dlerror() == NULL);
    dlsym(dlopen(NULL, RTLD_NOW), "nothing_at_all");
    printf("symbol of the program: %s\n", dlerror());
    printf("close %d", dlclose((void *)0x1230));
    printf(": %s\n", dlerror());
    printf("handle %d", dlsym((void *)0x1230, "main") != NULL);
    printf(": %s\n", dlerror());
    void *place;
    printf("information %d", dlinfo(dlopen(NULL, RTLD_NOW), 12, &place));
    printf(": %s\n", dlerror());
    printf("opened after all %d\n", dlopen("./libtls.so", RTLD_NOW) != NULL);
    printf("nothing left %d\n", dlerror() == NULL);
    return 0;
}
