#include "many.h"

extern int nobody_has_this(void);
#define DECLARE(name) extern int name(void);
ALL(DECLARE)

#define ADD(name) +name()
int sum(void) { return 0 ALL(ADD); }
int calls(void) { return nobody_has_this(); }
