static __thread long values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
long sum(void)
{
    long sum = 0;
    for (int i = 0; i < 8; i++)
        sum += values[i];
    values[0] += 100;
    return sum;
}
