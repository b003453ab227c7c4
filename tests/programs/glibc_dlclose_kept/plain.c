#ifdef GLOBAL
int answer_of_global(void) { return 5; }
#else
int plain(void) { return 1; }
#endif
