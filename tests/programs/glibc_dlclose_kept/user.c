extern int answer_of_global(void); int ask(void) { return answer_of_global(); }
