// The opened library.
#include <stdio.h>
extern int deeper(void), called_back(void);
static __thread int own = 20;
__attribute__((constructor)) static void init(void) { printf("b constructor\n"); }
__attribute__((destructor)) static void fini(void) { printf("b destructor\n"); }
int answer(void) { return deeper() + 7; }
int back(void) { return called_back(); }
int next_tls(void) { return ++own; }
