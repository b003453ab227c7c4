// Refers to libc by the names for large files, without its headers, which no longer have them.
struct whole { char bytes[512]; };
extern int open64(const char *, int, ...), fstat64(int, void *), stat64(const char *, void *), lstat64(const char *, void *), fclose(void *), close(int), ftruncate64(int, long);
extern void *fopen64(const char *, const char *), *mmap64(void *, unsigned long, int, int, int, long), *opendir(const char *), *readdir64(void *);
extern long lseek64(int, long, int), pread64(int, void *, unsigned long, long), ftello64(void *);
extern int fseeko64(void *, long, int), getrlimit64(int, void *), statfs64(const char *, void *), closedir(void *), unlink(const char *), mkstemp64(char *), scandir64(const char *, void ***, void *, void *), alphasort64(void **, void **);

int old(void)
{
    char name[] = "/tmp/lode-lfs64-XXXXXX", bytes[4];
    struct whole buffer;
    void **entries;
    int made = mkstemp64(name);
    if (made < 0 || ftruncate64(made, 4096) || fstat64(made, &buffer))
        return -1;
    unlink(name);
    close(made);
    int file = open64("/proc/self/exe", 0);
    if (file < 0 || pread64(file, bytes, 4, 0) != 4 || bytes[1] != 'E' || lseek64(file, 2, 0) != 2)
        return -2;
    if (mmap64(0, 4096, 1, 2, file, 0) == (void *)-1)
        return -3;
    void *stream = fopen64("/proc/self/exe", "r");
    if (!stream || fseeko64(stream, 4, 0) || ftello64(stream) != 4)
        return -4;
    fclose(stream);
    void *folder = opendir("/");
    if (!folder || !readdir64(folder))
        return -5;
    closedir(folder);
    if (stat64("/", &buffer) || lstat64("/", &buffer) || statfs64("/", &buffer) || getrlimit64(7, &buffer) || scandir64("/", &entries, 0, alphasort64) < 3)
        return -6;
    return 1;
}
