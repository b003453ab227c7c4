// Calls without a PLT to a function that a resolver chooses are refused: how many there are, the first, and the fix.
//# libc: glibc
//# linkers: lld
//# lib: chosen.c -> libchosen.so -Wl,-z,ifunc-noplt,-z,notext
//# flags: libchosen.so
//# oracle: no
//# exit: 127
//# stderr: lode[E0331]: 
//# stderr: R_X86_64_PLT32 at 0x
//# stderr: against `chosen'
//# stderr: there are 3 of the kind
//# stderr: fix: link without -z ifunc-noplt
int calls(void);
int main(void) { return calls(); }
