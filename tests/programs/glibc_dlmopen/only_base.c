int only_in_base = 1;
__attribute__((destructor)) static void end(void)
{
    extern long write(int, const void *, unsigned long);
    write(1, "base ends\n", 10);
}
