#include <stdio.h>
extern int from_c(void), called_back(void);
static __thread int tls = 20;
__attribute__((constructor)) static void init(void) { puts("b constructor"); }
int answer(void) { return from_c() + 2; }
int back(void) { return called_back(); }
int next_tls(void) { return ++tls; }
