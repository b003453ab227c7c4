extern const char __ehdr_start[] __attribute__((visibility("hidden")));
int value_c = 2;
const char *base_c(void) { return __ehdr_start; }
