// A program without libc that follows pointers: it faults if a loader leaves them as they stand in the file.
static int one = 1, two = 2;
int *numbers[64] = {[0 ... 40] = &one, [50] = &two};
#ifdef TEXT
int *const in_text __attribute__((section(".text"))) = &one;
#endif
#ifdef CHOOSE
static int chosen(void) { return 3; }
static int (*choose(void))(void) { return chosen; }
int choice(void) __attribute__((ifunc("choose"), visibility("hidden")));
#endif

__attribute__((noreturn, used)) static void run(void)
{
    int sum = 0;
    for (int i = 0; i < 41; i++)
        sum += *(int *volatile *)&numbers[i] == 0 ? *(volatile int *)8 : *numbers[i];
    sum += *numbers[50];
#ifdef TEXT
    sum += *(int *volatile const *)&in_text != &one;
#endif
#ifdef CHOOSE
    sum += choice() - 3;
#endif
    __asm__ volatile("syscall" : : "a"(231L), "D"((long)(sum - 43)));
    __builtin_unreachable();
}

__asm__(".globl _start\n_start: and $-16, %rsp\ncall run\n");
