# A program of one's own.
echo 'int puts(const char *); int main(void) { return puts("hello") < 0; }' > hello.c
