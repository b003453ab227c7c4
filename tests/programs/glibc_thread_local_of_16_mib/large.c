// Much thread-local data, of which a thread touches little.
static __thread char large[16 << 20];
static __thread int mark = 3;

int touch(void)
{
    large[0]++;
    large[sizeof large - 1]++;
    return mark++ + large[0] + large[sizeof large - 1];
}
