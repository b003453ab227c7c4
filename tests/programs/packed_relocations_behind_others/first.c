extern int of_first; int *first = &of_first;
