// A segment of thread-local data without a byte in it.
__asm__(".section .tbss,\"awT\",@nobits\n.align 32\n.previous");

int is_right(void) { return 1; }
