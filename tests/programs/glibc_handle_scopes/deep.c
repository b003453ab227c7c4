const char *shared(void) { return "deep"; }
const char *deep_sees(void) { return shared(); }
