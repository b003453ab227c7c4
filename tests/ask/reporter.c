// Prints the words of `list` as a program sees them: those that are addresses of this program count from its start.
#include <stdio.h>

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));
extern unsigned long list[12];

int outside(int x) { return x; }

int main(void)
{
    for (int i = 0; i < 12; i++) {
        unsigned long word = list[i], start = (unsigned long)__ehdr_start;
        int inside = word >= start && word < (unsigned long)_end;
        printf("%s %#lx\n", inside ? "address" : "number", inside ? word - start : word);
    }
    return 0;
}
