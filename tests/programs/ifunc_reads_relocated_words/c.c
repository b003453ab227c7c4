int others = 20;
int others_function(void) { return 30; }
