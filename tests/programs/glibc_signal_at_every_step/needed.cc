extern "C" int needed(void) { return 42; }
