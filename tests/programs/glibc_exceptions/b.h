struct Base {
    virtual ~Base();
};
struct Derived : Base {
};
void library_throws();
Base *library_makes();
