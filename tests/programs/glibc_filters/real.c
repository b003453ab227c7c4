const char *filter_name(void) { return "real"; }
const char *auxiliary_name(void) { return "real"; }
