// Many libraries from one file: each copy is a file of its own, known to nobody but its descriptor, so the loader takes it for another library.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

// A descriptor of a fresh copy.
static int copy_of(const char *path)
{
    struct stat status;
    int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("copy", MFD_CLOEXEC);
    fstat(from, &status);
    for (off_t done = 0; done < status.st_size;)
        if (sendfile(to, from, &done, status.st_size - done) <= 0)
            return -1;
    close(from);
    return to;
}

// Opens the file behind a descriptor as a library.
static void *open_descriptor(int file, int mode)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return dlopen(path, mode);
}

// Opens a fresh copy, whose file is known to the loader alone from then on. The copies keep their descriptors until then: names must differ.
__attribute__((unused)) static void *open_copy(const char *path, int mode)
{
    return open_descriptor(copy_of(path), mode);
}
