__thread int shared = 12;
static __thread volatile int local_a = 3, local_b = 4;
static __thread volatile char zeros[100];
int library_shared(void) { return shared; }
int *library_address(void) { return &shared; }
int library_local(void) { return local_a + local_b; }
int library_zeros(void)
{
    int sum = 0;
    for (int i = 0; i < 100; i++)
        sum |= zeros[i];
    return sum == 0;
}
