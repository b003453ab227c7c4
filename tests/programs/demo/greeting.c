__thread int counted __attribute__((tls_model("initial-exec")));
static int constructed;

__attribute__((constructor)) static void construct(void)
{
    constructed = 1;
}

static const char *hello(void)
{
    counted++;
    return "Hello from a program without a C library.\n";
}

static const char *bound(void)
{
    counted++;
    return constructed ? "Its library was found by RUNPATH and bound; its constructor ran first.\n" : "";
}

const char *(*const greetings[2])(void) = { hello, bound };
