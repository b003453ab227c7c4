#include <stdio.h>
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *object, void *dso);
extern void *__dso_handle;
static void leave(void *object) { (void)object; puts("thread-local destructor"); }
void check_in(void) { __cxa_thread_atexit_impl(leave, NULL, &__dso_handle); }
