#include "many.h"

#define DEFINE(name) int name(void) { return 1; }
ALL(DEFINE)
