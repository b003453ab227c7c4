// A block of thread-local data for threads to touch.
__thread char block[65536];
void touch(void)
{
    for (int i = 0; i < sizeof block; i += 4096)
        block[i] = 1;
}
