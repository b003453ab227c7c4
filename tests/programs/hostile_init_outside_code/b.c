static int data = 1;
__attribute__((section(".init_array"), used)) static void *init = &data;
int answer(void) { return data; }
