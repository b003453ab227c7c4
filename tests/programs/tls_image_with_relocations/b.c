int others;
__thread int *library_pointer = &others;
