#include <iostream>
struct Library {
    Library() { std::cout << "library object made" << std::endl; }
    ~Library() { std::cout << "library object gone" << std::endl; }
} library;
int library_value() { return 1; }
