extern int nobody_has_this(void);
int answer(int call) { return call ? nobody_has_this() : 4; }
