#include "counter.h"
extern "C" int count() { return counter(); }
