static int first(void) { return 1; }
static int second(void) { return 2; }

/* What the call goes to, for whoever looks at its bytes. */
int (*const implementations[])(void) = {first, second};

static int (*choose(void))(void) { return second; }
int chosen(void) __attribute__((ifunc("choose")));

int calls(void) { return chosen() + 10; }
int calls_twice(void) { return chosen() + chosen() * 100; }
