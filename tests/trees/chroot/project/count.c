/* The program: counts the words of its input as a plug-in changes them. */
#include "tally.h"

#include <dlfcn.h>
#include <stdio.h>

const char *separator(void);

const char *separator(void)
{
	return "+";
}

static void show(const char *word, int times)
{
	printf("%s %d\n", word, times);
}

int main(int count, char **arguments)
{
	char word[80];
	void *plugin = count > 1 ? dlopen(arguments[1], RTLD_NOW) : NULL;
	const char *(*transform)(char *) = NULL;

	if (!plugin) {
		printf("%s\n", dlerror());
		return 2;
	}
	*(void **)&transform = dlsym(plugin, "transform");
	while (scanf("%70s", word) == 1)
		tally(transform(word));
	tally_each(show);
	return dlclose(plugin);
}
