#include <stdio.h>
extern int shared_next(void);
static __thread int number;
__attribute__((constructor)) static void come(void) { puts("+ b"); }
__attribute__((destructor)) static void go(void) { puts("- b"); }
int b_next(void) { return ++number; }
int b_shared(void) { return shared_next(); }
