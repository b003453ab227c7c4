// Opened later, it refers to them by the initial exec model.
extern __thread char zeros[64 * 1024];
extern __thread int small;
char *zeros_seen(void) { return zeros; }
int small_seen(void) { return small; }
