# Programs linked before glibc 2.34 carry their own __libc_csu_init, which they give to __libc_start_main of version 2.2.5: libc calls it, and it calls
# the constructors of the program. This one is made with such a start.
set -e
cat > old.S <<'S'
	.globl _start
_start:	xor %ebp, %ebp
	mov %rdx, %r9
	pop %rsi
	mov %rsp, %rdx
	and $-16, %rsp
	push %rax
	push %rsp
	lea __libc_csu_fini(%rip), %r8
	lea __libc_csu_init(%rip), %rcx
	lea main(%rip), %rdi
	call *start_main@GOTPCREL(%rip)
	hlt
	.symver start_main, __libc_start_main@GLIBC_2.2.5
	.section .note.GNU-stack, "", @progbits
S
cat > old.c <<'C'
#include <stdio.h>
#include <stdlib.h>

/* As crtbegin.o has it, which is left out with the start. */
void *__dso_handle;

extern void (*__preinit_array_start[])(int, char **, char **), (*__preinit_array_end[])(int, char **, char **);
extern void (*__init_array_start[])(int, char **, char **), (*__init_array_end[])(int, char **, char **);

void __libc_csu_init(int count, char **arguments, char **environment)
{
	printf("__libc_csu_init %d %s\n", count, arguments[1]);
	for (size_t i = 0; i < __init_array_end - __init_array_start; i++)
		__init_array_start[i](count, arguments, environment);
}
void __libc_csu_fini(void) { puts("__libc_csu_fini"); }

static void first(int count, char **arguments, char **environment) { printf("preinit %d\n", count); }
__attribute__((section(".preinit_array"), used)) static void (*before)(int, char **, char **) = first;
__attribute__((constructor)) static void begin(int count, char **arguments) { printf("constructor %d %s\n", count, arguments[1]); }
__attribute__((destructor)) static void end(void) { puts("destructor"); }
static void leave(void) { puts("atexit"); }

int main(int count, char **arguments)
{
	atexit(leave);
	printf("main %d %s\n", count, arguments[1]);
	return 5;
}
C
for kind in -no-pie -pie; do
    gcc -w -fPIE $kind -nostartfiles -o old old.S old.c
    # Of the newer kind it would be without these, and with that.
    readelf --symbols old | grep -o ' __libc_csu_init$'; ! readelf -V old | grep 'GLIBC_2.34'
    ./old argument || echo $?
done
