// Throws, catches and has objects of each thread; with a runtime of its own, as the compiler links it.
#include <cstdio>
#include <stdexcept>
#include <string>

struct Counted {
    std::string name;
    Counted() : name("made") {}
    ~Counted() { std::printf("a thread's object goes, %s\n", name.c_str()); }
};
static thread_local Counted counted;

extern "C" int caught_inside(int number)
{
    try {
        if (number > 2)
            throw std::runtime_error("too large");
        return number;
    } catch (const std::exception &error) {
        return -static_cast<int>(std::string(error.what()).size());
    }
}
extern "C" void touch(const char *name) { counted.name = name; }
