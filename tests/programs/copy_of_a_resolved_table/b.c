static int answer(void) { return 42; }
static int (*resolve(void))(void) { return answer; }
int chosen(void) __attribute__((ifunc("resolve")));
int (*table[2])(void) = {0, chosen};
int (**library_table(void))(void) { return table; }
