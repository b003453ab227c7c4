// dl_iterate_phdr once more, after a library came and went, and in another thread: each time what is loaded then, and the blocks of the thread that asks.
// A visitor may write into what it is shown, which is nobody else's.
//# libc: glibc
//# lib: b.c -> libb.so
//# flags: -pthread
//# stdout: before: 0 of b, twice alike 1
//# stdout: opened: 1 of b, block 1, twice alike 1
//# stdout: elsewhere: 1 of b, block 1, another block 1
//# stdout: reopened: 1 of b, block 1, twice alike 1
//# stdout: closed: 0 of b, twice alike 1
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct seen {
    int count, of_b;
    void *block;
    unsigned long long adds, subs, sum;
};

static int each(struct dl_phdr_info *info, size_t size, void *data)
{
    struct seen *seen = data;
    seen->count++;
    seen->adds = info->dlpi_adds;
    seen->subs = info->dlpi_subs;
    seen->sum = seen->sum * 31 + info->dlpi_addr + (unsigned long)info->dlpi_phdr + info->dlpi_phnum + strlen(info->dlpi_name);
    if (strstr(info->dlpi_name, "libb.so")) {
        seen->of_b++;
        seen->block = info->dlpi_tls_data;
    }
    memset(info, 0x55, size);
    return 0;
}

static struct seen look(void)
{
    struct seen seen = {0};
    dl_iterate_phdr(each, &seen);
    return seen;
}

static int is_alike(void)
{
    struct seen one = look(), other = look();
    return one.count == other.count && one.sum == other.sum && one.adds == other.adds && one.subs == other.subs &&
           one.adds - one.subs == (unsigned)one.count;
}

static int *(*place)(void);

static void *elsewhere(void *own)
{
    int *block = place();
    struct seen seen = look();
    printf("elsewhere: %d of b, block %d, another block %d\n", seen.of_b, seen.block == (void *)block, seen.block != own);
    return 0;
}

int main(void)
{
    printf("before: %d of b, twice alike %d\n", look().of_b, is_alike());
    for (int turn = 0; turn < 2; turn++) {
        void *library = dlopen("./libb.so", RTLD_NOW);
        place = (int *(*)(void))dlsym(library, "place");
        int *block = place();
        struct seen seen = look();
        printf("%s: %d of b, block %d, twice alike %d\n", turn ? "reopened" : "opened", seen.of_b, seen.block == (void *)block,
               is_alike());
        if (turn == 0) {
            pthread_t thread;
            pthread_create(&thread, 0, elsewhere, block);
            pthread_join(thread, 0);
        }
        dlclose(library);
    }
    printf("closed: %d of b, twice alike %d\n", look().of_b, is_alike());
    return 0;
}
