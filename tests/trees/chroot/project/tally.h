/* Counts words, in each thread on its own. */
void tally(const char *word);
/* How often the thread saw the word. */
int tallied(const char *word);
/* Calls for each word of the thread, sorted. */
void tally_each(void (*call)(const char *word, int times));
