const char *first(void) { return "a"; }
const char *second(void) { return "a"; }
const char *third(void);
const char *fourth(void);
const char *fifth(void);
const char *from_a(const char **b, const char **c, const char **d, const char **e)
{
    *b = second();
    *c = third();
    *d = fourth();
    *e = fifth();
    return first();
}
