// More thread-local data, in front of and behind the library's.
__thread char more[77] = {1};
char *more_here(void) { return more; }
