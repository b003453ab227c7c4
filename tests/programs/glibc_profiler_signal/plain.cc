extern "C" int answer(int value) { return value + 1; }
