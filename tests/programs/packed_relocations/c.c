int sum(void);
static int seven = 7;
static int *const of_seven = &seven;
int *const *volatile pointer_to_pointer = &of_seven;
int (*volatile function)(void) = sum;

int of_c(void) { return function() + **pointer_to_pointer; }
