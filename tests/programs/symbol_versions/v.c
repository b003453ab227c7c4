__attribute__((used)) int versioned_1(void) { return 1; }
__attribute__((used)) int versioned_2(void) { return 2; }
__asm__(".symver versioned_1, versioned@V1");
__asm__(".symver versioned_2, versioned@@V2");
