# weird.so: a count of relative relocations that lies, and a hash table that leaves a symbol out.
gcc -w -x c - -shared -fPIC -nostdlib -o weird.so <<< 'int afun(void) { return 0; } int bfun(void) { return 0; }
    static int v; void *const table[9] = { &v, &v, &v, &v, &v, &v, &v, &v, &v };'
word() { # SECTION TYPE: its place in the file
    echo $((0x$(readelf -SW weird.so | sed -n "s/.* $1 *$2 *[0-9a-f]* \([0-9a-f]*\) .*/\1/p")))
}
number=$(readelf -dW weird.so | grep '^ 0x' | grep -n RELACOUNT | cut -d: -f1)
printf '\014' | dd of=weird.so bs=1 seek=$(($(word '\.dynamic' DYNAMIC) + 16 * (number - 1) + 8)) conv=notrunc status=none
printf '\002' | dd of=weird.so bs=1 seek=$(($(word '\.gnu\.hash' GNU_HASH) + 4)) conv=notrunc status=none
