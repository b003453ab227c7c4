// Static probes as <sys/sdt.h> of SystemTap makes them, without that header: one with a semaphore, one without, one in two places.
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define PROBE(provider, name, semaphore, arguments)                                                  \
    __asm__ volatile("990: nop\n"                                                                    \
                     ".pushsection .note.stapsdt,\"\",\"note\"\n"                                    \
                     ".balign 4\n"                                                                   \
                     ".4byte 992f-991f, 994f-993f, 3\n"                                              \
                     "991: .asciz \"stapsdt\"\n"                                                     \
                     "992: .balign 4\n"                                                              \
                     "993: .8byte 990b, _.stapsdt.base, " TEXT(semaphore) "\n"                       \
                     ".asciz \"" TEXT(provider) "\"\n"                                               \
                     ".asciz \"" TEXT(name) "\"\n"                                                   \
                     ".asciz \"" arguments "\"\n"                                                    \
                     "994: .balign 4\n"                                                              \
                     ".popsection\n"                                                                 \
                     ".ifndef _.stapsdt.base\n"                                                      \
                     ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"         \
                     ".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"                                \
                     "_.stapsdt.base: .space 1\n.size _.stapsdt.base,1\n"                            \
                     ".popsection\n.endif\n")

__attribute__((section(".probes"), used)) unsigned short watched_semaphore __asm__("watched_semaphore");

__attribute__((noinline)) int work(int x)
{
    PROBE(shop, watched, watched_semaphore, "-4@%edi 8@$5");
    PROBE(shop, plain, 0, "");
    return x * 3;
}

int main(int argc, char **argv)
{
    (void)argv;
    PROBE(shop, plain, 0, "4@%edi");
    return work(argc) - 3;
}
