// Needs the removed one, and is there.
extern int answer(void);
int ask(void) { return answer(); }
