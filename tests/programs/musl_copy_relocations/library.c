// Data that a program copies, with a pointer to be relocated.
static int there = 33;
int *pointer_of_the_library = &there;
int numbers[4] = {1, 2, 3, 4};
int *pointer_seen_inside(void) { return pointer_of_the_library; }
int *numbers_seen_inside(void) { return numbers; }
