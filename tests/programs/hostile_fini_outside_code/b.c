int data = 1;
int answer(void) { return data; }
