// What g++ makes of an inline variable: a unique symbol, and a reference to it through the GOT.
__asm__(".globl only_one\n.type only_one, @gnu_unique_object\n.size only_one, 4\n.data\nonly_one: .long 3\n.text");
extern int only_one;
int read_only_one(void) { return only_one; }
