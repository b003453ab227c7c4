// One of many: calls the next one, and cleans up when an exception passes. Every tenth catches it and throws it on.
extern int cleaned;

struct Guard {
    ~Guard() { __sync_fetch_and_add(&cleaned, 1); }
};

extern "C" void pass(void (**next)(void *), int left)
{
    using Next = void (*)(void *, int);
    Guard guard;
    if (left == 0)
        throw 42l;
    try {
        reinterpret_cast<Next>(next[0])(next + 1, left - 1);
    } catch (long &value) {
        value++;
        throw;
    }
}
