int constructors;
__attribute__((constructor)) static void init(void) { constructors++; }
