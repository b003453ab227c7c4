#define ABSOLUTE
#include "frames.h"
