__thread int wide __attribute__((aligned(65536))) = 88;
__thread int vector __attribute__((aligned(32))) = 5;
