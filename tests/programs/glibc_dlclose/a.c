#include <stdio.h>
extern int shared_next(void);
static __thread int number;
__attribute__((constructor)) static void come(void) { puts("+ a"); }
__attribute__((destructor)) static void go(void) { puts("- a"); }
int a_next(void) { return ++number; }
int a_shared(void) { return shared_next(); }
