const char *first(void) { return "d"; }
const char *second(void) { return "d"; }
const char *third(void) { return "d"; }
const char *fourth(void) { return "d"; }
const char *fifth(void) { return "d"; }
