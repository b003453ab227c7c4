extern int choose(void);

static int wrong(void) { return 0; }
static int right(void) { return 42; }
static int (*resolve(void))(void) { return choose() ? right : wrong; }

int answer(void) __attribute__((ifunc("resolve")));
int (*volatile kept)(void) = answer;

int ask(void) { return answer() + kept(); }
