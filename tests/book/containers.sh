# needs: buildah umoci unshare musl-gcc /usr/bin/python3
# Programs, a damaged image, and trees for docs/containers.md; its Containerfiles are cut out of the page.
gcc -w -x c - -shared -fPIC -o libown.so -Wl,-soname,libown.so <<< 'int own(void) { return 0; }'
gcc -w -x c - -x none libown.so -o app "-Wl,-rpath,$PWD" \
    <<< 'int own(void), puts(const char *); int main(void) { return own() || puts("works") < 0; }'
gcc -w -x c - -o lookup <<< 'int getpwnam(), iconv_open(); int main(int c, char **v) { return c > 1 ? getpwnam() + iconv_open() : 0; }'
gcc -w -x c - -o server <<< 'int puts(const char *); int main(void) { return puts("served") < 0; }'

lode-tool image ./app -o damaged > /dev/null
umoci insert --rootless --image damaged:latest --whiteout "$PWD/libown.so"

awk -v fence='```' '
    $0 == fence "dockerfile" { getline; file = $2; next }
    $0 == fence { file = "" }
    file != "" { print > file }' "$SOURCES/../docs/containers.md"
mkdir lode
cp target/lode/lode-tool target/lode/ld-lode-x86_64.so.1 lode
strip lode/lode-tool

# A system in which lode-tool runs, and one with no program at all.
mkdir -p debian distroless/etc alpine/bin alpine/lib
for file in $(ldd lode/lode-tool | grep -o '/[^ ]*'); do cp -L --parents "$file" debian; done
for file in $(ldd server | grep -o '/[^ ]*'); do cp -L --parents "$file" distroless; done
echo 'root:x:0:0:root:/:/sbin/nologin' > distroless/etc/passwd

# Alpine's names: the loader is the file, and what programs need a link to it.
cp -L /lib/ld-musl-x86_64.so.1 alpine/lib
ln -s ld-musl-x86_64.so.1 alpine/lib/libc.musl-x86_64.so.1
gcc -w -x c - -shared -fPIC -nostdlib -o stub.so -Wl,-soname,libc.musl-x86_64.so.1 <<< 'void puts(void) {} void __libc_start_main(void) {}'
gcc -w -x c - -x none -nostdlib -fPIE -pie -o alpine/bin/hello /usr/lib/x86_64-linux-musl/Scrt1.o stub.so -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 \
    <<< 'int puts(const char *); int main(void) { return puts("hello") < 0; }'

for tree in debian distroless alpine; do
    printf 'FROM scratch\nADD %s /\n' $tree > base.Containerfile
    buildah build -q -t $tree -f base.Containerfile . > /dev/null
done
