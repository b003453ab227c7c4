// The shape of what Lucet and lld once made: frame information with absolute addresses in a segment that is not writable. Refused with the relocation, its place and
// the fix. (glibc's loader makes the segment writable.)
//# libc: glibc
//# linkers: lld
//# lib: frames.S -> libframes.so -nostartfiles -Wl,-z,notext,-T,@SOURCE@/../frames.ld
//# flags: libframes.so
//# oracle: no
//# exit: 127
//# stderr: lode[E0323]: 
//# stderr: R_X86_64_64 at 0x
//# stderr: against `call_through'
//# stderr: DW_EH_PE_pcrel
extern "C" void call_through(void (*)());
int main() { call_through([] {}); }
