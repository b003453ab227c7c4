// A table of twelve megabytes, whose memory goes back while it is applied: each word has what its own entry asks for.
//# lib: a.c -> liba.so
//# flags: liba.so
//# stdout: 500000 words
#define BARE_MAIN
#include "bare.h"

__asm__(".data\n"
        ".globl words\n"
        ".set number, 0\n"
        "words:\n"
        ".rept 250000\n"
        ".quad words + number\n"
        ".quad target + number\n"
        ".set number, number + 1\n"
        ".endr\n");

extern unsigned long words[];
extern char target[];

int bare_main(long *stack)
{
    for (unsigned long number = 0; number < 250000; number++)
        if (words[2 * number] != (unsigned long)words + number
            || words[2 * number + 1] != (unsigned long)target + number)
            return 1;
    put("500000 words\n");
    return 0;
}
