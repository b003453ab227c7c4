# Programs that lode refuses, each because of one library.
library() { gcc -w -O1 -x c - -x none -shared -fPIC -nostdlib -o "$1" "-Wl,-soname,$1" "${@:2}"; }
program() {
    echo 'int f(void); int main(void) { return f(); }' | gcc -w -x c - -x none -o "$1" "$2" '-Wl,-rpath,$ORIGIN' \
        -Wl,--unresolved-symbols=ignore-in-shared-libs "-Wl,--dynamic-linker=$PWD/target/lode/ld-lode-x86_64.so.1"
}
poke() { printf "\\$3" | dd "of=$1" bs=1 "seek=$2" conv=notrunc status=none; }

library libnewer.so <<< 'int f(void) { return 0; }'
program newer libnewer.so
poke libnewer.so 7 003
poke libnewer.so 8 004

# The flags of the first segment with code become 7.
library libboth.so <<< 'int f(void) { return 0; }'
program both libboth.so
number=$(readelf -lW libboth.so | grep -E '^  [A-Z_]+ +0x' | grep -n 'LOAD.* R E ' | cut -d: -f1)
poke libboth.so $((64 + 56 * (number - 1) + 4)) 007

# A pointer in .rodata; the tags that would say so are taken away.
cat > text.s <<'END'
    .globl f, table
    .type f, @function
f:  xorl %eax, %eax
    ret
    .section .rodata
    .balign 8
table: .quad f
    .section .note.GNU-stack,"",@progbits
END
gcc -shared -nostdlib -o libtext.so text.s -Wl,-soname,libtext.so -z notext -w
program text libtext.so
at=$((0x$(readelf -SW libtext.so | sed -n 's/.* \.dynamic *DYNAMIC *[0-9a-f]* \([0-9a-f]*\) .*/\1/p')))
readelf -dW libtext.so | grep '^ 0x' | while read -r tag name rest; do
    case $name in
    '(TEXTREL)') poke libtext.so "$at" 025 ;;
    '(FLAGS)') poke libtext.so $((at + 8)) 000 ;;
    esac
    at=$((at + 16))
done

library libundefined.so -Wl,-z,now <<< 'int d(void), e(void); int f(void) { return d() + e(); }'
program undefined libundefined.so
