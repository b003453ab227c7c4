static __thread int own = 5;

extern "C" int value() { return own; }
