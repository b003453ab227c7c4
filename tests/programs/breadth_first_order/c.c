const char *first(void) { return "c"; }
const char *second(void) { return "c"; }
const char *third(void) { return "c"; }
const char *fourth(void) { return "c"; }
