// What libc gives out as heap is nobody's data, and what it and others protect stays so: its table of addresses and theirs are read-only.
//# libc: musl
//# lib: library.c -> liblibrary.so -Wl,-z,relro,-z,now
//# flags: liblibrary.so -Wl,-z,relro,-z,now
//# stdout: bad 0
//# stdout: constants are writable: own 0, the library's 0
//# stdout: data are writable: own 1, the library's 1
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int numbers[300];
extern int *const *constant(void);
static int own[1000] = {1};
static int *const relocated[] = {own, numbers};

// The kernel refuses to write where we may not.
static int is_writable(const void *place)
{
    int file = open("/proc/self/maps", O_RDONLY), answer = -1;
    FILE *maps = fdopen(file, "r");
    char line[512], rights[8];
    unsigned long start, end;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 && (uintptr_t)place >= start && (uintptr_t)place < end)
            answer = rights[1] == 'w';
    fclose(maps);
    return answer;
}

int main(void)
{
    int bad = 0;
    for (int i = 0; i < 2000; i++) {
        unsigned char *block = malloc(16 + i % 200);
        uintptr_t start = (uintptr_t)block;
        bad += start < (uintptr_t)(own + 1000) && start + 16 > (uintptr_t)own;
        bad += start < (uintptr_t)(numbers + 300) && start + 16 > (uintptr_t)numbers;
        memset(block, 0xee, 16 + i % 200);
    }
    for (int i = 1; i < 300; i++)
        bad += numbers[i] != 0;
    for (int i = 1; i < 1000; i++)
        bad += own[i] != 0;
    printf("bad %d\n", bad);
    printf("constants are writable: own %d, the library's %d\n", is_writable(relocated), is_writable(constant()));
    printf("data are writable: own %d, the library's %d\n", is_writable(own), is_writable(numbers));
    return 0;
}
