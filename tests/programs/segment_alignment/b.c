extern const char __ehdr_start[] __attribute__((visibility("hidden")));
int value_b = 1;
const char *base_b(void) { return __ehdr_start; }
