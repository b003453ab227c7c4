# The files of docs/stories.md.
lode=$PWD/target/lode/ld-lode-x86_64.so.1
poke() { printf "\\$3" | dd "of=$1" bs=1 "seek=$2" conv=notrunc status=none; }
library() { gcc -w -O1 -x c - -x none -shared -fPIC -o "$1" "-Wl,-soname,${1##*/}" "${@:2}"; }
program() { gcc -w -O1 -x c - -x none -o "$1" "${@:2}"; }

program hello <<< 'int puts(const char *); int main(void) { return puts("hello") < 0; }'
cat > hello.c <<< 'int puts(const char *); int main(void) { return puts("hello") < 0; }'

# Three libraries, found by two rules.
mkdir -p lib
library lib/libb.so <<< 'int b(void) { return 0; }'
library lib/liba.so lib/libb.so '-Wl,-rpath,$ORIGIN' <<< 'int b(void); int afun(void) { return b(); }'
program app lib/liba.so '-Wl,-rpath,$ORIGIN/lib' "-Wl,--dynamic-linker=$lode" \
    <<< 'int afun(void), puts(const char *); int main(void) { return afun() || puts("works") < 0; }'

# A program that was built for another release of a library than the one that is there.
library libssl.so.1.1 <<< 'int SSL_new(void) { return 0; }'
program server libssl.so.1.1 '-Wl,-rpath,$ORIGIN/lib' "-Wl,--dynamic-linker=$lode" <<< 'int SSL_new(void); int main(void) { return SSL_new(); }'
mv libssl.so.1.1 lib/libssl.so.3

# A library whose constructor dies.
library lib/libfoo.so <<< 'static volatile int ran;
    static void foo_first(void) __attribute__((constructor(101))); static void foo_first(void) { ran = 1; }
    static void foo_ctor(void) __attribute__((constructor(102))); static void foo_ctor(void) { *(volatile int *)8 = 1; }
    int foo(void) { return 0; }'
program crash lib/libfoo.so '-Wl,-rpath,$ORIGIN/lib' "-Wl,--dynamic-linker=$lode" <<< 'int foo(void); int main(void) { return foo(); }'

# A tag that nobody knows, in the place of DT_DEBUG.
cp app tagged
at=$((0x$(readelf -SW tagged | sed -n 's/.* \.dynamic *DYNAMIC *[0-9a-f]* \([0-9a-f]*\) .*/\1/p')))
number=$(readelf -dW tagged | grep '^ 0x' | grep -n '(DEBUG)' | cut -d: -f1)
poke tagged $((at + 16 * (number - 1))) 035
poke tagged $((at + 16 * (number - 1) + 3)) 140

# An image, from outside.
mkdir -p image/opt
cp --parents "$(realpath "$(gcc -print-file-name=libc.so.6)")" image
cp hello image/opt/app
. "$SOURCES/book/weird.sh"

# Programs of two ages, without the start files of this machine's glibc.
echo 'int puts(const char *); void _start(void) { puts("old"); for (;;) ; }' | program old -nostartfiles
echo 'int puts(const char *); void *memcpy(void *, const void *, long); void *volatile to; volatile long size;
    void _start(void) { memcpy(to, to, size); puts("new"); for (;;) ; }' | program new -nostartfiles -fno-builtin
