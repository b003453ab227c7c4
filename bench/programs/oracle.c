/* The least that a loader has to do, without any C library: open, map and relocate a list of files, with every symbol for nothing.
 *
 * usage: oracle plain|huge LIST     LIST: a file with one path a line
 *
 * Each relocation writes the load address and the addend, whatever its symbol is: the same pages are touched as by a loader, and the process
 * ends before anybody uses them. With `huge`, writable segments of 2 MiB or more lie in anonymous huge pages. Link it static, without start files. */
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { PAGE = 4096, HUGE = 2 << 20, HEADERS = 4096, LIST = 1 << 18 };

static char list[LIST];
static uint64_t headers[HEADERS / sizeof(uint64_t)];

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

static void leave(int status)
{
    for (;;)
        call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static char *map(void *at, size_t length, int protection, int flags, int fd, size_t offset)
{
    long result = call(SYS_mmap, (long)at, length, protection, flags, fd, offset);
    if (result < 0 && result > -PAGE)
        leave(3);
    return (char *)result;
}

static size_t down(size_t value) { return value & -(size_t)PAGE; }
static size_t up(size_t value) { return down(value + PAGE - 1); }

static int protection(const Elf64_Phdr *segment)
{
    return (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) | (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

static int is_dense(const Elf64_Phdr *segment)
{
    return segment->p_flags & PF_W && segment->p_filesz >= HUGE;
}

/* Maps one segment behind the first; the first reserves the whole range. */
static void map_segment(char *base, const Elf64_Phdr *segment, int fd, int huge)
{
    char *begin = base + down(segment->p_vaddr);
    char *data_end = base + segment->p_vaddr + segment->p_filesz;
    char *end = base + up(segment->p_vaddr + segment->p_memsz);
    int allowed = protection(segment);
    if (huge && is_dense(segment)) {
        map(begin, end - begin, allowed, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
        call(SYS_madvise, (long)begin, end - begin, MADV_HUGEPAGE, 0, 0, 0);
        call(SYS_pread64, fd, (long)begin, data_end - begin, down(segment->p_offset), 0, 0);
        return;
    }
    if (segment->p_filesz)
        map(begin, data_end - begin, allowed, MAP_PRIVATE | MAP_FIXED, fd, down(segment->p_offset));
    if (segment->p_memsz == segment->p_filesz || !(allowed & PROT_WRITE))
        return;
    char *whole = base + up(segment->p_vaddr + segment->p_filesz);
    if (segment->p_filesz)
        for (char *byte = data_end; byte < whole; byte++)
            *(volatile char *)byte = 0;
    if (end > whole)
        map(whole, end - whole, allowed, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
}

/* Reserves the range of an image and maps its first segment; a dense segment begins at a boundary of huge pages. */
static char *reserve(const Elf64_Phdr *first, const Elf64_Phdr *last, const Elf64_Phdr *dense, int fd)
{
    size_t span = up(last->p_vaddr + last->p_memsz);
    if (!dense)
        return map(0, span, protection(first), MAP_PRIVATE, fd, 0);
    char *raw = map(0, span + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t lead = down(dense->p_vaddr);
    char *base = (char *)(((uintptr_t)raw + lead + HUGE - 1) & -(uintptr_t)HUGE) - lead;
    return map(base, up(first->p_filesz), protection(first), MAP_PRIVATE | MAP_FIXED, fd, 0);
}

static void add_addends(char *base, uint64_t table, uint64_t size)
{
    const Elf64_Rela *entry = (const Elf64_Rela *)(base + table), *end = (const Elf64_Rela *)(base + table + size);
    for (; entry < end; entry++)
        *(uint64_t *)(base + entry->r_offset) = (uint64_t)base + entry->r_addend;
}

/* DT_RELR (gABI, "Relative relocations in a compact form"): even words are addresses, odd ones bitmaps of the 63 words that follow. */
static void add_packed(char *base, uint64_t table, uint64_t size)
{
    const uint64_t *entry = (const uint64_t *)(base + table), *end = (const uint64_t *)(base + table + size);
    uint64_t *place = 0;
    for (; entry < end; entry++) {
        if (!(*entry & 1)) {
            place = (uint64_t *)(base + *entry);
            *place++ += (uint64_t)base;
            continue;
        }
        uint64_t *word = place;
        for (uint64_t bits = *entry >> 1; bits; bits >>= 1, word++)
            if (bits & 1)
                *word += (uint64_t)base;
        place += 63;
    }
}

static void relocate(char *base, const Elf64_Phdr *dynamic)
{
    enum { TAGS = 40, RELRSZ = 35, RELR = 36 };
    uint64_t value[TAGS];
    for (int tag = 0; tag < TAGS; tag++)
        *(volatile uint64_t *)&value[tag] = 0;
    for (const Elf64_Dyn *entry = (const Elf64_Dyn *)(base + dynamic->p_vaddr); entry->d_tag; entry++)
        if (entry->d_tag > 0 && entry->d_tag < TAGS)
            value[entry->d_tag] = entry->d_un.d_val;
    add_packed(base, value[RELR], value[RELRSZ]);
    add_addends(base, value[DT_RELA], value[DT_RELASZ]);
    add_addends(base, value[DT_JMPREL], value[DT_PLTRELSZ]);
}

static void load(const char *path, int huge)
{
    int fd = call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        leave(4);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)headers;
    long length = call(SYS_pread64, fd, (long)headers, sizeof headers, 0, 0, 0);
    if (length < (long)sizeof *header || header->e_phoff + header->e_phnum * sizeof(Elf64_Phdr) > (size_t)length)
        leave(5);
    const Elf64_Phdr *all = (const Elf64_Phdr *)((const char *)headers + header->e_phoff);
    const Elf64_Phdr *first = 0, *last = 0, *dense = 0, *dynamic = 0, *relro = 0;
    for (const Elf64_Phdr *segment = all; segment < all + header->e_phnum; segment++) {
        if (segment->p_type == PT_LOAD) {
            first = first ? first : segment;
            last = segment;
            if (huge && !dense && is_dense(segment))
                dense = segment;
        }
        if (segment->p_type == PT_DYNAMIC)
            dynamic = segment;
        if (segment->p_type == PT_GNU_RELRO)
            relro = segment;
    }
    if (!first || !dynamic)
        leave(6);
    char *base = reserve(first, last, dense, fd);
    for (const Elf64_Phdr *segment = first + 1; segment <= last; segment++)
        if (segment->p_type == PT_LOAD)
            map_segment(base, segment, fd, huge);
    call(SYS_close, fd, 0, 0, 0, 0, 0);
    relocate(base, dynamic);
    if (relro) {
        size_t begin = down(relro->p_vaddr);
        call(SYS_mprotect, (long)(base + begin), down(relro->p_vaddr + relro->p_memsz) - begin, PROT_READ, 0, 0, 0);
    }
}

__attribute__((used)) static void run(long *stack)
{
    char **arguments = (char **)(stack + 1);
    if (stack[0] != 3)
        leave(2);
    int huge = arguments[1][0] == 'h';
    int fd = call(SYS_openat, AT_FDCWD, (long)arguments[2], O_RDONLY, 0, 0, 0);
    long length = call(SYS_read, fd, (long)list, sizeof list - 1, 0, 0, 0);
    if (length < 0)
        leave(2);
    call(SYS_close, fd, 0, 0, 0, 0, 0);
    for (char *path = list, *byte = list; byte < list + length; byte++)
        if (*byte == '\n') {
            *byte = 0;
            load(path, huge);
            path = byte + 1;
        }
    leave(0);
}

__asm__(".globl _start\n_start: mov %rsp,%rdi\n and $-16,%rsp\n call run\n");
