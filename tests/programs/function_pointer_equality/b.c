int shared_function(void) { return 5; }
int (*library_pointer(void))(void) { return shared_function; }
