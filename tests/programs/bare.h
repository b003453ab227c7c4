// What a program without a libc needs: an entry, three system calls and something to print with.
// A test defines `int bare_main(long *stack)`; its result is the exit status. `stack` is the stack pointer that
// the loader left: argc, argv, NULL, envp, NULL, auxv (psABI, "Process Initialization").

#ifndef BARE_H
#define BARE_H

#define BARE_WRITE 1
#define BARE_OPEN 2
#define BARE_READ 0
#define BARE_EXIT_GROUP 231

static inline long bare_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static inline unsigned long bare_length(const char *text)
{
    unsigned long length = 0;
    while (text[length])
        length++;
    return length;
}

static inline int bare_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static inline void put(const char *text)
{
    bare_call(BARE_WRITE, 1, (long)text, bare_length(text));
}

static inline void put_number(long value)
{
    char digits[24];
    int at = sizeof digits - 1;
    unsigned long rest = value < 0 ? 0ul - (unsigned long)value : (unsigned long)value;
    digits[at] = 0;
    do
        digits[--at] = '0' + rest % 10;
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    put(digits + at);
}

// "name value" on a line of its own.
static inline void report(const char *name, long value)
{
    put(name);
    put(" ");
    put_number(value);
    put("\n");
}

// "ok name" or "not ok name" on a line of its own.
static inline void check(int holds, const char *name)
{
    put(holds ? "ok " : "not ok ");
    put(name);
    put("\n");
}

#ifdef BARE_MAIN
int bare_main(long *stack);

#ifdef BARE_HOSTED
int main(int argc, char **argv)
{
    return bare_main((long *)argv - 1);
}
#else

// The function that the loader hands over in rdx: it runs the finalisers (psABI). NULL when there is none.
// Only programs that define BARE_FINALISE call it: the one of glibc 2.36 fails an assertion of its own in a program
// without libc, so those cannot ask the system's loader. Their twins with BARE_HOSTED, in a glibc process, can.
__attribute__((visibility("hidden"))) void (*bare_finaliser)(void);

__attribute__((noreturn, used, visibility("hidden"))) void bare_start(long *stack, void (*finaliser)(void))
{
    bare_finaliser = finaliser;
    int status = bare_main(stack);
#ifdef BARE_FINALISE
    if (bare_finaliser)
        bare_finaliser();
#endif
    bare_call(BARE_EXIT_GROUP, status, 0, 0);
    __builtin_unreachable();
}

__asm__(".text\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  mov %rdx, %rsi\n"
        "  and $-16, %rsp\n"
        "  call bare_start\n"
        ".size _start, . - _start\n");
#endif
#endif

#endif
