# A program without a C library.
echo 'int main(void) { return 0; }' > main.c
