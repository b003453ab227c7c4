# Files for docs/formats.md.
gcc -shared -fPIC -nostdlib -o libshape.so "$SOURCES/ask/shape.c"
gcc -shared -fPIC -nostdlib -Wl,-z,pack-relative-relocs -o librelr.so "$SOURCES/ask/shape.c"
gcc -O1 -o shop "$SOURCES/ask/probes.c"
gcc -shared -nostdlib -Wl,-Bsymbolic -o libdof.so "$SOURCES/ask/dof.S"
. "$SOURCES/book/weird.sh"
