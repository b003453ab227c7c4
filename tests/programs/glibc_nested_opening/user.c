#include <stdio.h>
int outer(void);
static int live;
__attribute__((constructor)) static void come(void) { live = outer(); printf("+ user, outer %d\n", live); }
__attribute__((destructor)) static void go(void) { puts("- user"); }
int user(void) { return live; }
