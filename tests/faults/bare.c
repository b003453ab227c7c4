// A program without libc: says E when it runs, and OK when its library answers as it should. Ends with 42.
extern int bare_sum(int);
extern __thread int bare_counter;

static long call(long number, long a, const void *b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

__attribute__((force_align_arg_pointer)) void _start(void)
{
    call(1, 1, "E", 1);
    int good = bare_sum(4) == 104 && ++bare_counter == 8;
    call(1, 1, good ? "OK\n" : "BAD\n", good ? 3 : 4);
    call(231, good ? 42 : 43, 0, 0);
}
