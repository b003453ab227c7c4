// A relocation type that nobody knows is named with its number, and nothing of the program runs. The type is put
// into the finished library: its one relocation against a name has an addend that can be found.
//# lib: b.S -> libb.so
//# flags: libb.so
//# after: swap libb.so 01000000010000008877665544332211 f8000000010000008877665544332211
//# exit: 127
//# stderr: error while loading shared libraries
//# stderr: libb.so: unexpected reloc type 0xf8
#define BARE_MAIN
#include "bare.h"

extern long word;

int bare_main(long *stack)
{
    put("started\n");
    return word == 0;
}
