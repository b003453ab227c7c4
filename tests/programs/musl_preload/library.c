// Refers to what is preloaded.
extern int programs_own(void);
int shared(void) { return 3; }
int ask(void) { return shared(); }
int ask_program(void) { return programs_own(); }
