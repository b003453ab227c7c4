// What dlopen says of files that are no libraries, and of libraries that want what is not there: one line each, in
// glibc's words.
//# libc: glibc
//# lib: undefined.c -> libundefined.so
//# lib: gone.c -> libgone.so
//# lib: needs.c -> libneeds.so libgone.so
//# after: rm libgone.so
//# flags: -Wl,--export-dynamic
//# stdout: text: ./text.so: file too short
//# stdout: no elf: ./noelf.so: invalid ELF header
//# stdout: empty: ./empty.so: file too short
//# stdout: absent: absent.so: cannot open shared object file: No such file or directory
//# stdout: folder: ./folder: cannot read file data: Is a directory
//# stdout: needed: libgone.so: cannot open shared object file: No such file or directory
//# stdout: undefined: ./libundefined.so: undefined symbol: nobody_has_this
//# stdout: again: ./libundefined.so: undefined symbol: nobody_has_this
//# stdout: wrong mode: ./libundefined.so: invalid mode for dlopen(): Invalid argument
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void file(const char *name, int length)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    // Under a name of its own first: the same program runs several times at once in this folder.
    char own[64];
    snprintf(own, sizeof own, "%s.%d", name, (int)getpid());
    int file = open(own, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    write(file, text, length);
    close(file);
    rename(own, name);
}

static void attempt(const char *what, const char *name, int mode)
{
    void *handle = dlopen(name, mode);
    printf("%s: %s\n", what, handle ? "opened" : dlerror());
}

int main(void)
{
    file("text.so", 10);
    file("noelf.so", 4096);
    file("empty.so", 0);
    mkdir("folder", 0755);
    attempt("text", "./text.so", RTLD_NOW);
    attempt("no elf", "./noelf.so", RTLD_NOW);
    attempt("empty", "./empty.so", RTLD_NOW);
    attempt("absent", "absent.so", RTLD_NOW);
    attempt("folder", "./folder", RTLD_NOW);
    attempt("needed", "./libneeds.so", RTLD_NOW);
    attempt("undefined", "./libundefined.so", RTLD_NOW);
    attempt("again", "./libundefined.so", RTLD_NOW);
    attempt("wrong mode", "./libundefined.so", 0);
    return 0;
}
