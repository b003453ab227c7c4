// A library to be opened again and again: ID tells the copies apart. It has thread-local data, a constructor, a destructor, and memory of libc.
#include <stdlib.h>
#include <string.h>

static __thread int own = ID;
static __thread char much[700];
static int live;
static char *memory;

__attribute__((constructor)) static void begin(void)
{
    memory = malloc(200);
    memset(memory, ID, 200);
    live = ID;
}

__attribute__((destructor)) static void end(void)
{
    live = -1;
    free(memory);
}

// What does not depend on the constructor: a child of fork may find it half done, by a thread that is not there.
int bare(int value)
{
    much[value % 700] = (char)value;
    return own == ID && much[value % 700] == (char)value ? ID : -1;
}

int plug(int value) { return live == ID && memory[199] == ID ? bare(value) : -1; }
