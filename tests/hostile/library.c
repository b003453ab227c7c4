/* A library without libc, so that the same bytes run under any loader: every table and relocation that a linker writes for one.
   -DWHOLE adds what musl has not: functions that a resolver chooses, and the size of a symbol as a relocation. As damage can have it, -DRECURSION makes a function
   call itself for ever, and -DCYCLE a resolver call the function that it is asked for. */
#define EXPORT __attribute__((visibility("default")))

static long call3(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

extern int program_data;
EXPORT int spec_missing(void) __attribute__((weak));

EXPORT int spec_data[4] = {11, 22, 33, 44};
EXPORT int *spec_pointer = &spec_data[2];
static int hidden = 77;
static int *volatile hidden_pointers[] = {&hidden, &hidden, &hidden};
EXPORT __thread int spec_thread = 5;
static __thread int thread_initial __attribute__((tls_model("initial-exec"))) = 9;
EXPORT __thread int spec_described = 6;
EXPORT int spec_constructed = 0;

EXPORT int spec_add(int x) { return x + spec_data[1] + *spec_pointer + *hidden_pointers[1]; }
static int chosen(void) { return 123; }
#ifdef CYCLE
static int (*volatile choices[2])(void);
static int (*choose(void))(void) { return choices[1]() == 123 ? chosen : 0; }
#else
static int (*choose(void))(void) { return chosen; }
#endif
#ifdef WHOLE
EXPORT int spec_choice(void) __attribute__((ifunc("choose")));
static int hidden_choice(void) __attribute__((ifunc("choose")));
#ifdef RECURSION
EXPORT unsigned spec_check(void);
static int (*volatile choices[])(void) = {(int (*)(void))spec_check, hidden_choice};
#else
static int (*volatile choices[])(void) = {spec_choice, hidden_choice};
#endif
#else
EXPORT int spec_choice(void) { return choose()(); }
static int (*volatile choices[])(void) = {spec_choice, spec_choice};
#endif

#ifdef WHOLE
__asm__(".data\n.balign 8\nsize_word: .quad spec_data@SIZE\n.text\n");
extern unsigned long size_word __attribute__((visibility("hidden")));
#else
static unsigned long size_word = sizeof spec_data;
#endif

/* The module and the offset of a thread-local symbol, as words that the loader fills. */
static unsigned long *pair(void) {
    unsigned long *words;
    __asm__("leaq spec_thread@tlsgd(%%rip), %0" : "=r"(words));
    return words;
}

/* A bit for each thing that is not as it should be. */
EXPORT unsigned spec_check(void) {
    unsigned bad = 0;
    if (spec_add(1) != 1 + 22 + 33 + 77) bad |= 1;
    if (program_data != 4242) bad |= 2;
    if (thread_initial != 9) bad |= 4;
    if (spec_described != 6) bad |= 8;
    if (spec_missing) bad |= 16;
    if (size_word != sizeof spec_data) bad |= 32;
    if (pair()[0] == 0 || pair()[1] > 64) bad |= 64;
    if (choices[0]() != 123 || choices[1]() != 123) bad |= 128;
    if (*hidden_pointers[0] != 77 || *hidden_pointers[2] != 77) bad |= 256;
    return bad;
}

__attribute__((constructor)) static void construct(void) {
    spec_constructed++;
    call3(1, 1, (long)"C", 1);
}
