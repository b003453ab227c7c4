static int answer_0(void) { return 0; }
static int answer_1(void) { return 1; }
static int answer_40(void) { return 40; }
static int target;
static __thread volatile int own __attribute__((tls_model("initial-exec"))) = 40;
static __thread int *volatile pointer __attribute__((tls_model("initial-exec"))) = &target;
static void *see_own(void) { return own == 40 ? answer_40 : answer_0; }
static void *see_pointer(void) { return pointer == &target ? answer_1 : answer_0; }
int tls_word(void) __attribute__((ifunc("see_own")));
int tls_pointer(void) __attribute__((ifunc("see_pointer")));
