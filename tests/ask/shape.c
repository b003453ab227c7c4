// A structure of pointers with everything that a linker decides in its own way: text, a place inside an object, a function of this file and of
// another one, data that others may replace, a reference that may stay without a definition.
struct pair {
    const char *name;
    void *where;
    int number;
    int (*call)(int);
};

extern int outside(int);
extern int elsewhere __attribute__((weak));
static int inner[8];
int shared_word = 7;

static int local_call(int x) { return x + 1; }

static struct pair second = {"second", &inner[3], 2, outside};

struct pair list[3] = {
    {"first", &second, 1, local_call},
    {"third", &shared_word, 3, outside},
    {0, &elsewhere, -1, 0},
};

struct pair *const start = &list[1];
