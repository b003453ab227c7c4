// Refers to thread-local data of a library that is opened, by the initial exec model.
extern __thread int opened_variable;
int use_tls(void) { return opened_variable; }
