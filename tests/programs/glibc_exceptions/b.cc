#include "b.h"
#include <stdexcept>
Base::~Base() {}
void library_throws() { throw std::runtime_error("thrown by the library"); }
Base *library_makes() { return new Derived; }
