# The cache of libraries is made anew, with a library more; ldd asks the loader for its list. What stays out: addresses.
set -e
before=$(ldconfig -p | wc -l)
mkdir -p /usr/local/lib
printf 'int lode(void) { return 3; }\n' > lode.c
gcc -shared -fPIC -Wl,-soname,liblode-tree.so.1 -o /usr/local/lib/liblode-tree.so.1.0 lode.c
ldconfig
readlink /usr/local/lib/liblode-tree.so.1
ldconfig -p | sed 's/^[0-9]* libs/libs/'
echo $(($(ldconfig -p | wc -l) - before))
ldconfig -v 2>/dev/null | grep -c libc.so.6
printf 'int lode(void); int main(void) { return lode(); }\n' > main.c
ln -sf liblode-tree.so.1 /usr/local/lib/liblode-tree.so
gcc -o main main.c -L/usr/local/lib -llode-tree
./main || echo $?
for program in /bin/bash /usr/bin/perl /usr/bin/python3 /usr/bin/apt-get ./main; do ldd $program | sed 's/ (0x[0-9a-f]*)//'; done
ldd -v ./main | sed 's/ (0x[0-9a-f]*)//'
ldd -r ./main | sed 's/ (0x[0-9a-f]*)//'
ldd -u ./main | sed 's/ (0x[0-9a-f]*)//'
rm /usr/local/lib/liblode-tree*; ldconfig
./main || echo $?
ldd ./main | sed 's/ (0x[0-9a-f]*)//'
