extern int of_packed; int *packed = &of_packed;
