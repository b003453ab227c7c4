// One part: says when its constructors and destructors run. NAME is its name.
#include <stdio.h>
#include <stdlib.h>

void say(const char *what) { printf("%s %s\n", NAME, what); }
static void at_exit(void) { say("atexit"); }
__attribute__((constructor(101))) static void first(void) { say("constructor 101"); }
__attribute__((constructor)) static void second(void)
{
    say("constructor");
    atexit(at_exit);
}
__attribute__((destructor(101))) static void last(void) { say("destructor 101"); }
__attribute__((destructor)) static void earlier(void) { say("destructor"); }
void started(void) { say("DT_INIT"); }
void finished(void) { say("DT_FINI"); }
