extern int of_last; int *last = &of_last;
