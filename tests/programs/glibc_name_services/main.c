// NSS modules and gconv modules are opened by libc itself; the locale is libc's own.
//# libc: glibc
//# stdout: root 0 /root
//# stdout: group root
//# stdout: latin-1 c3 a9
//# stdout: utf-16 4
//# stdout: C
//# stdout: C.UTF-8
//# stdout: localhost 1
#include <grp.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>

int main(void)
{
    struct passwd *user = getpwnam("root");
    printf("%s %d %s\n", user ? user->pw_name : "nobody", user ? (int)user->pw_uid : -1, user ? user->pw_dir : "");
    struct group *group = getgrgid(0);
    printf("group %s\n", group ? group->gr_name : "none");
    char from[] = "\xe9", to[8] = "", *in = from, *out = to;
    size_t left = 1, room = sizeof to;
    iconv_t converter = iconv_open("UTF-8", "ISO-8859-1");
    if (converter != (iconv_t)-1)
        iconv(converter, &in, &left, &out, &room);
    printf("latin-1 %x %x\n", (unsigned char)to[0], (unsigned char)to[1]);
    char text[] = "ab", wide[16];
    in = text, out = wide, left = 2, room = sizeof wide;
    converter = iconv_open("UTF-16LE", "ASCII");
    if (converter != (iconv_t)-1)
        iconv(converter, &in, &left, &out, &room);
    printf("utf-16 %zu\n", sizeof wide - room);
    printf("%s\n", setlocale(LC_ALL, ""));
    printf("%s\n", setlocale(LC_ALL, "C.UTF-8"));
    printf("localhost %d\n", gethostbyname("127.0.0.1") != NULL);
    return 0;
}
