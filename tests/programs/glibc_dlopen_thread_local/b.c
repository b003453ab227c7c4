__thread int own = 5;
static __thread char room[5000];
int *address(void) { room[4999] = 1; return &own; }
