static int one = 1, two = 2;
int three = 3;
int *const pointers[] = {&one, &two, &three, &one, &three};
extern int (*const of_main)(void);

int sum(void) {
    int sum = 0;
    for (int i = 0; i < 5; i++)
        sum = sum * 10 + *pointers[i];
    return sum + of_main();
}
