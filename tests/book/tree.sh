# A small tree with a libc, its loader and a program, in "$ROOT".
mkdir -p "$ROOT/bin"
libc=$(realpath "$(gcc -print-file-name=libc.so.6)")
cp --parents "$libc" "$ROOT"
mkdir -p "$ROOT/lib64"
cp -L /lib64/ld-linux-x86-64.so.2 "$ROOT/lib64"
echo 'int puts(const char *); int main(void) { return puts("hello") < 0; }' | gcc -x c - -o "$ROOT/bin/hello"
