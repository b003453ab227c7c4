/* Writes what libc and its loader share as it is when main begins: _rtld_global_ro, _rtld_global, the program's link_map, the first thread. The arguments
   are their sizes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **sizes)
{
	char *thread;

	__asm__("mov %%fs:0x10, %0" : "=r"(thread));
	char *global = dlsym(RTLD_DEFAULT, "_rtld_global");
	char *parts[] = { dlsym(RTLD_DEFAULT, "_rtld_global_ro"), global, *(char **)global, thread };

	for (int i = 0; i < 4 && i + 1 < count; i++)
		fwrite(parts[i], 1, atoi(sizes[i + 1]), stdout);
	return 0;
}
