// DT_PREINIT_ARRAY of the program, then each library after those that it needs (DT_INIT before DT_INIT_ARRAY), the
// program last; finalisers in reverse. A program without libc runs the finaliser that it got in rdx.
//# lib: c.c -> libc_.so -Wl,-init=c_init -Wl,-fini=c_fini -fno-toplevel-reorder
//# lib: b.c -> libb.so libc_.so
//# lib: a.c -> liba.so libc_.so libb.so
//# flags: liba.so libb.so
//# stdout: preinit
//# stdout: c init
//# stdout: c init_array 1
//# stdout: c init_array 2
//# stdout: b init_array
//# stdout: a init_array
//# stdout: program init_array
//# stdout: argc 1
//# stdout: main
//# stdout: program fini_array
//# stdout: a fini_array
//# stdout: b fini_array
//# stdout: c fini_array 2
//# stdout: c fini_array 1
//# stdout: c fini
//# oracle: no
#define BARE_MAIN
#define BARE_FINALISE
#include "bare.h"

static int seen_argc;
static void preinit(void) { put("preinit\n"); }
static void init(int argc, char **argv, char **envp)
{
    put("program init_array\n");
    seen_argc = argc;
}
static void fini(void) { put("program fini_array\n"); }
__attribute__((section(".preinit_array"), used)) static void *preinit_array = preinit;
__attribute__((section(".init_array"), used)) static void *init_array = init;
__attribute__((section(".fini_array"), used)) static void *fini_array = fini;

int bare_main(long *stack)
{
    report("argc", seen_argc);
    put("main\n");
    return 0;
}
