// Thread-local variables of every kind; each function gives this thread's.
#include <stdint.h>

int target = 7;
__thread int initialised = 42;
__thread int zero;
static __thread long hidden = 5;
__thread int *pointer = &target;
__thread _Alignas(64) char aligned_64[3] = "ab";
__thread _Alignas(128) char aligned_128[200];
__thread _Alignas(4096) char aligned_4096[8] = "page";
__thread char large[1 << 20];

int *initialised_here(void) { return &initialised; }
int *zero_here(void) { return &zero; }
long *hidden_here(void) { return &hidden; }
int **pointer_here(void) { return &pointer; }
char *large_here(void) { return large; }
int all_aligned(void)
{
    return ((uintptr_t)aligned_64 % 64 | (uintptr_t)aligned_128 % 128 | (uintptr_t)aligned_4096 % 4096) == 0 && aligned_64[1] == 'b' && aligned_128[199] == 0 &&
           aligned_4096[3] == 'e';
}
