#include "bare.h"

int constructed;

// The page behind the code: the next segment begins 0x10000 bytes behind the code's start.
extern char __ehdr_start[] __attribute__((visibility("hidden")));
#define GAP 0x18000
__asm__(".section .init_array,\"aw\"\n.quad __ehdr_start + 0x18000\n.text\n");

static long map(unsigned long at)
{
    long result;
    register long flags __asm__("r10") = 0x32, descriptor __asm__("r8") = -1, offset __asm__("r9") = 0;
    // mmap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(9), "D"(at), "S"(0x1000), "d"(3), "r"(flags), "r"(descriptor), "r"(offset)
                     : "rcx", "r11", "memory");
    return result;
}

void unpack(void)
{
    unsigned char *code = (unsigned char *)__ehdr_start + GAP;
    if (map((unsigned long)code) != (long)code)
        return;
    // movabs $constructed, %rax; incl (%rax); ret
    code[0] = 0x48, code[1] = 0xb8;
    *(int **)(code + 2) = &constructed;
    code[10] = 0xff, code[11] = 0x00, code[12] = 0xc3;
    bare_call(10, (long)code, 0x1000, 5);
    put("unpacked\n");
}
