int answer(void) { return 5; }
