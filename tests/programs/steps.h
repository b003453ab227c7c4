// Runs a function one instruction at a time: the processor's trap flag makes the kernel send SIGTRAP after each, and the handler calls `at_step` with the
// number of the step. The handler itself runs at full speed. Windows of some hundred steps that begin at random moments are the short way; LODE_STEPS=all
// in the environment asks for every single instruction.
#include <csignal>
#include <cstdlib>
#include <sys/time.h>
#include <ucontext.h>

enum { WINDOWS = 40, WINDOW = 200, TRAP_FLAG = 0x100 };

static void (*at_step)(long);
static long steps;
static volatile long left;

static void trapped(int, siginfo_t *, void *context)
{
    at_step(++steps);
    if (--left == 0)
        static_cast<ucontext_t *>(context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void begin_window(int, siginfo_t *, void *context)
{
    static_cast<ucontext_t *>(context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(number, &action, nullptr);
}

// Calls `function`, in windows or as a whole, and `action` at each step; returns how many steps that were.
static __attribute__((noinline)) long step_through(void (*function)(), void (*action)(long))
{
    const char *asked = getenv("LODE_STEPS");
    bool all = asked && asked[0] == 'a';
    on(SIGTRAP, trapped);
    on(SIGALRM, begin_window);
    at_step = action;
    steps = 0;
    unsigned state = 1;
    for (int window = 0; window < (all ? 1 : WINDOWS); window++) {
        left = WINDOW;
        if (all) {
            left = -1;
            raise(SIGALRM);
            function();
            left = 1;
            continue;
        }
        // A random moment of an operation that takes some hundred microseconds.
        itimerval when = {{0, 0}, {0, 20 + rand_r(&state) % 300}};
        setitimer(ITIMER_REAL, &when, nullptr);
        while (left > 0)
            function();
    }
    return steps;
}
