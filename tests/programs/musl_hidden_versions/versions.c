// Two versions of a function, the older one hidden; and one with a hidden version only.
int old_answer(void) { return 1; }
int new_answer(void) { return 2; }
int only_old(void) { return 3; }
__asm__(".symver old_answer, answer@V1");
__asm__(".symver new_answer, answer@@V2");
__asm__(".symver only_old, retired@V1");
