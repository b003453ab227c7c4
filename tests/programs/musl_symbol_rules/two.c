// The same names once more.
int weak_first(void) { return 2; }
int hidden(void) { return 2; }
int protected(void) { return 2; }
int common_data = 2;
extern __attribute__((weak)) int nobody(void), nobodys_data, strong_here(void);
int weak_undefined(void) { return nobody || &nobodys_data ? 1 : 0; }
int weak_defined(void) { return strong_here ? strong_here() : 0; }
int data_seen_by_two(void) { return common_data; }
