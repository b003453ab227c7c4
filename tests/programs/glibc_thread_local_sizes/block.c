// Thread-local data of SIZE bytes at ALIGN.
static __thread char block[SIZE + 1] __attribute__((aligned(ALIGN)));
static __thread char mark __attribute__((aligned(ALIGN))) = 7;

int is_right(void)
{
    char *volatile first = block;
    int right = (unsigned long)first % ALIGN == 0 && (unsigned long)&mark % ALIGN == 0 && mark == 7;
    right = right && first[0] == 0 && first[SIZE / 2] == 0 && first[SIZE] == 0;
    first[0] = first[SIZE / 2] = first[SIZE] = mark = 7;
    return right;
}
