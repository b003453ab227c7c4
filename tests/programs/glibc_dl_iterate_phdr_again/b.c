_Thread_local int apart = 7;
int *place(void) { return &apart; }
