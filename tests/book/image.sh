# An image with a program, its libraries, and no interpreter.
mkdir -p image/opt/app
cp --parents "$(realpath "$(gcc -print-file-name=libc.so.6)")" image
echo 'int puts(const char *); int main(void) { return puts("served") < 0; }' | gcc -x c - -o image/opt/app/server
