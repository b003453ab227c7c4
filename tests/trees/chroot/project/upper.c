/* The plug-in: it uses a function of the program that opens it, and one of the library. */
#include "tally.h"

#include <ctype.h>
#include <string.h>

extern const char *separator(void);
const char *transform(char *word);

const char *transform(char *word)
{
	for (char *letter = word; *letter; letter++)
		*letter = toupper((unsigned char)*letter);
	return strcat(word, tallied(word) ? separator() : "");
}
