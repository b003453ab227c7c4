__asm__(".symver name_old, name@OLD");
__asm__(".symver name_new, name@@NEW");
const char *name_old(void) { return "old"; }
const char *name_new(void) { return "new"; }
