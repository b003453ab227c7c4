extern void absent_function(void) __attribute__((weak));
extern int absent_data __attribute__((weak));
extern void present(void) __attribute__((weak));
void present(void) {}
int b_sees_absent_function(void) { return absent_function != 0; }
int b_sees_absent_data(void) { return &absent_data != 0; }
int b_sees_present(void) { return present != 0; }
