// getauxval, sysconf and confstr give what they give under the system's loader.
//# libc: glibc
//# stdout-any: yes
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(void)
{
    extern const char __ehdr_start[];
    printf("phdr %ld\n", getauxval(AT_PHDR) - (unsigned long)__ehdr_start);
    printf("phnum %lu phent %lu pagesz %lu clktck %lu\n", getauxval(AT_PHNUM), getauxval(AT_PHENT), getauxval(AT_PAGESZ),
           getauxval(AT_CLKTCK));
    printf("hwcap %lx hwcap2 %lx\n", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
    printf("platform %s\n", (char *)getauxval(AT_PLATFORM));
    printf("secure %lu uid %lu\n", getauxval(AT_SECURE), getauxval(AT_UID));
    printf("minsigstksz %lu\n", getauxval(51));
    printf("random %d vdso %d\n", getauxval(AT_RANDOM) != 0, getauxval(AT_SYSINFO_EHDR) != 0);
    static const int names[] = {
        _SC_LEVEL1_ICACHE_SIZE, _SC_LEVEL1_ICACHE_ASSOC, _SC_LEVEL1_ICACHE_LINESIZE, _SC_LEVEL1_DCACHE_SIZE,
        _SC_LEVEL1_DCACHE_ASSOC, _SC_LEVEL1_DCACHE_LINESIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL2_CACHE_ASSOC,
        _SC_LEVEL2_CACHE_LINESIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL3_CACHE_ASSOC, _SC_LEVEL3_CACHE_LINESIZE,
        _SC_LEVEL4_CACHE_SIZE, _SC_PAGESIZE, _SC_NPROCESSORS_ONLN, _SC_MINSIGSTKSZ, _SC_SIGSTKSZ,
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        printf("sysconf %d %ld\n", names[i], sysconf(names[i]));
    return 0;
}
