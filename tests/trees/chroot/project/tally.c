/* The library: the words stand in thread-local storage. */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	char *word;
	int times;
};

static __thread struct entry entries[64];
static __thread int used;

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

static struct entry *find(const char *word)
{
	for (int i = 0; i < used; i++)
		if (strcmp(entries[i].word, word) == 0)
			return &entries[i];
	return NULL;
}

void tally(const char *word)
{
	struct entry *entry = find(word);

	if (!entry && used < 64) {
		entry = &entries[used++];
		entry->word = strdup(word);
	}
	if (entry)
		entry->times++;
}

int tallied(const char *word)
{
	struct entry *entry = find(word);

	return entry ? entry->times : 0;
}

void tally_each(void (*call)(const char *word, int times))
{
	qsort(entries, used, sizeof *entries, compare);
	for (int i = 0; i < used; i++)
		call(entries[i].word, entries[i].times);
}
