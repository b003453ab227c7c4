// A program for musl's loader that needs no libc: its libraries are bound, and it has thread-local data. It ends by a system call.
//# libc: musl
//# lib: library.c -> liblibrary.so -nostdlib -ffreestanding
//# flags: -nostdlib -nostartfiles -ffreestanding -fno-stack-protector liblibrary.so
//# exit: 9
extern int answer(void);
static __thread int own = 4;

__attribute__((used)) static void with_stack(void)
{
    int answered = answer();
    // Whether the constructor has run is not asked: musl's are run by __libc_start_main, which nobody calls here; lode runs them.
    long status = own + (answered % 10 == 5 ? 5 : 100);
    __asm__ volatile("syscall" : : "a"(231), "D"(status));
}

__attribute__((naked)) void _start(void) { __asm__("and $-16, %rsp\n call with_stack"); }
