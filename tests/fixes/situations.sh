# What the situations of tests/fixes.rs are made with; read by a shell in an empty folder in which `ld-lode` is the loader under test.
set -eu
mkdir -p right

# compiled NAME SWITCHES...: C from standard input.
compiled() {
    name=$1
    shift
    gcc -O1 -w -x c -o "$name" - -x none "$@"
}

# library NAME SWITCHES...: a library whose soname is its file name.
library() {
    name=$1
    shift
    compiled "$name" -shared -fPIC "-Wl,-soname,${name##*/}" "$@"
}

# program NAME SWITCHES...: a program that names lode as its interpreter and looks for libraries beside itself.
program() {
    name=$1
    shift
    compiled "$name" "-Wl,--dynamic-linker=$PWD/ld-lode" '-Wl,--enable-new-dtags,-rpath,$ORIGIN' "$@"
}

# poke FILE OFFSET OCTAL: another byte in a file.
poke() {
    printf "\\$3" | dd "of=$1" bs=1 "seek=$2" conv=notrunc status=none
}

# unmarked LIBRARY: without DT_TEXTREL and DF_TEXTREL.
unmarked() {
    at=$((0x$(readelf -SW "$1" | sed -n 's/.* \.dynamic *DYNAMIC *[0-9a-f]* \([0-9a-f]*\) .*/\1/p')))
    readelf -dW "$1" | grep '^ 0x' | while read -r tag name rest; do
        case $name in
        '(TEXTREL)') poke "$1" "$at" 025 ;; # DT_DEBUG
        '(FLAGS)') poke "$1" $((at + 8)) 000 ;;
        esac
        at=$((at + 16))
    done
}

# The program of most situations: it says so when it works.
calls_afun='int afun(void), puts(const char *); int main(void) { return afun() == 7 && puts("works") < 0; }'
has_afun='int afun(void) { return 7; }'
