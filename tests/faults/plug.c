// What opener.c opens: thread-local storage, and two relocated words. -DID tells two copies apart.
__thread int plug_local = ID;
static int plug_static = ID;
int *const plug_words[2] = {&plug_static, &plug_static};
int plug_run(int add) { return plug_local + *plug_words[1] - plug_static + add; }
