#include "many.h"

#define DECLARE(name) extern int name(void);
ALL(DECLARE)

static int result;

static int first(void) { return result + 1; }
static int second(void) { return -1; }

#define ADD(name) +name()
static int (*resolve(void))(void)
{
    result = 0 ALL(ADD);
    return result == 300 ? first : second;
}
int chosen(void) __attribute__((ifunc("resolve")));
