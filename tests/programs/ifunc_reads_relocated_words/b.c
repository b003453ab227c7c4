// Each resolver returns a function that tells what the resolver saw.
#define ANSWER(n) static int answer_##n(void) { return n; }
ANSWER(0)
ANSWER(10)
ANSWER(20)
ANSWER(30)

static int own = 10;
static int *volatile own_pointer = &own;
extern int others;
extern int others_function(void);

static void *see_own(void) { return *own_pointer == 10 ? answer_10 : answer_0; }
static void *see_others(void) { return others == 20 ? answer_20 : answer_0; }
static void *call_others(void) { return others_function() == 30 ? answer_30 : answer_0; }

int own_word(void) __attribute__((ifunc("see_own")));
int others_word(void) __attribute__((ifunc("see_others")));
int others_call(void) __attribute__((ifunc("call_others")));
