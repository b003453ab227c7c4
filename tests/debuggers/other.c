// A library that needs nothing, so that nothing stays when it is closed.

__thread int other_tls = 7;

__attribute__((noinline)) int work(int number) {
    other_tls += number;
    return other_tls;
}
