inline int counter()
{
    static int count;
    return ++count;
}
