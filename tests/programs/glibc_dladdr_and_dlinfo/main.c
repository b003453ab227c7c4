// dladdr, dladdr1, dlinfo, dl_iterate_phdr, RTLD_NEXT, dlvsym: what they say is what the system's loader says.
//# libc: glibc
//# lib: b.c -> libb.so
//# flags: libb.so -Wl,--export-dynamic
//# stdout-any: yes
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

extern int which(void), next_which(void);
int which(void) { return 1; }

static const char *base(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }
// The two loaders have names of their own, and the kernel's object has none on disk.
static int is_loader(const char *path) { return strstr(path, "ld-") || strstr(path, "loader-under-test"); }

static int each(struct dl_phdr_info *info, size_t size, void *count)
{
    int *counter = count;
    if (!is_loader(info->dlpi_name))
        printf("object %s phnum %d tls %zu data %d\n", base(info->dlpi_name), info->dlpi_phnum, info->dlpi_tls_modid,
               info->dlpi_tls_data != NULL);
    ++*counter;
    return 0;
}

int main(void)
{
    Dl_info info;
    struct link_map *map;
    ElfW(Sym) *symbol;
    printf("dladdr %d\n", dladdr((void *)which, &info));
    printf("%s %s\n", base(info.dli_fname), info.dli_sname);
    printf("dladdr1 %d\n", dladdr1((void *)next_which, &info, (void **)&symbol, RTLD_DL_SYMENT));
    printf("%s %s type %d\n", base(info.dli_fname), info.dli_sname, symbol ? ELF64_ST_TYPE(symbol->st_info) : -1);
    printf("dladdr nothing %d\n", dladdr((void *)8, &info));
    void *self = dlopen(NULL, RTLD_NOW);
    printf("dlinfo %d\n", dlinfo(self, RTLD_DI_LINKMAP, &map));
    for (; map; map = map->l_next)
        if (!is_loader(map->l_name))
            printf("map '%s' ld %d\n", base(map->l_name), map->l_ld != NULL);
    void *library = dlopen("libb.so", RTLD_NOW | RTLD_NOLOAD);
    printf("library %d\n", library != NULL);
    char origin[4096] = "";
    printf("origin %d %d\n", dlinfo(library, RTLD_DI_ORIGIN, origin), origin[0] == '/');
    Lmid_t namespace = 99;
    printf("namespace %d %ld\n", dlinfo(library, RTLD_DI_LMID, &namespace), (long)namespace);
    size_t tls = 99;
    printf("tls %d %zu\n", dlinfo(library, RTLD_DI_TLS_MODID, &tls), tls);
    int count = 0;
    printf("iterate %d\n", dl_iterate_phdr(each, &count));
    printf("count %d\n", count);
    printf("which %d next %d\n", which(), next_which());
    printf("dlvsym %d %d\n", dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.2.5") != NULL,
           dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_9.9") != NULL);
    return 0;
}
