// Its constructor would say that it ran.
#include <unistd.h>
__attribute__((constructor)) static void init(void) { write(1, "constructor\n", 12); }
int answer(void) { return 42; }
