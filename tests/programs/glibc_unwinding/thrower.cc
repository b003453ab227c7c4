extern "C" void constructor_of_a_library();
__attribute__((constructor)) static void come() { constructor_of_a_library(); }
