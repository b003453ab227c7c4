static __thread int value = 3;

extern "C" int *place() { return &value; }
