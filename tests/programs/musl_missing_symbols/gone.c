// Linked against, and replaced by another build.
int GONE(void) { return 1; }
#ifdef MORE
int gone_too;
int gone_as_well(void) { return gone_too; }
#endif
