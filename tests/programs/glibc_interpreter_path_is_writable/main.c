// The loader is listed under the path in PT_INTERP, also when that lies in a writable segment (as tools that change the path leave it).
//# libc: glibc
//# linkers: bfd
//# modes: interp
//# stdout: listed as the program names it 1
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <string.h>

// A byte behind the path makes its section writable.
__asm__(".pushsection .interp, \"aw\", @progbits\n.byte 0\n.popsection");

static const char *path = "";
static int found;

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size, (void)data;
    if (!*path)
        for (int i = 0; i < info->dlpi_phnum; i++)
            if (info->dlpi_phdr[i].p_type == PT_INTERP)
                path = (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    found += strcmp(info->dlpi_name, path) == 0;
    return 0;
}

int main(void)
{
    dl_iterate_phdr(look, NULL);
    printf("listed as the program names it %d\n", found);
    return 0;
}
