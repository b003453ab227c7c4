// The library of who.c. With -DEVIL it is the one that nobody may get.
#include <unistd.h>

const char *who(void)
{
#ifdef EVIL
    return "EVIL";
#else
    return "GOOD";
#endif
}

#ifdef EVIL
__attribute__((constructor)) static void told(void) { write(2, "EVIL\n", 5); }
unsigned la_version(unsigned version)
{
    write(2, "EVIL\n", 5);
    return version;
}
#endif
