# The tree with lode in it.
. "$SOURCES/book/tree.sh"
lode-tool install --root "$ROOT" --as ld-linux-x86-64.so.2
