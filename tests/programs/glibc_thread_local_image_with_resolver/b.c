static int answer(void) { return 43; }
static int (*resolve(void))(void) { return answer; }
int chosen_here(void) __attribute__((ifunc("resolve")));
__thread int (*pointer_here)(void) = chosen_here;
int library_pointer(void) { return pointer_here(); }
