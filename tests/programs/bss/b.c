volatile char library_data[10] = {2};
volatile char library_zeros[300000];
