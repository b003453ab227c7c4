#include <stdio.h>
#define TEXT(a) #a
#define QUOTE(a) TEXT(a)
__attribute__((constructor)) static void come(void) { puts("+ " QUOTE(NAME)); }
__attribute__((destructor)) static void go(void) { puts("- " QUOTE(NAME)); }
