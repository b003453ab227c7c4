// Many relative relocations.
static int number = 3;
int *pointers[100] = {[0 ... 99] = &number};
int count(void)
{
    int right = 0;
    for (int i = 0; i < 100; i++)
        right += *pointers[i] == 3;
    return right;
}
