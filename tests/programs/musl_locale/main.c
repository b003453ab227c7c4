// Locales and character sets: musl's are UTF-8 and C; iconv is inside of it.
//# libc: musl
//# env: MUSL_LOCPATH=/absent
//# stdout: start C
//# stdout: utf-8 C.UTF-8
//# stdout: UTF-8 4
//# stdout: wide 4 1
//# stdout: a thread's UTF-8 4
//# stdout: iconv 0 grün
//# stdout: number .
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

static void *thread(void *argument)
{
    locale_t own = newlocale(LC_ALL_MASK, "C.UTF-8", 0);
    uselocale(own);
    printf("a thread's %s %d\n", nl_langinfo(CODESET), (int)MB_CUR_MAX);
    return 0;
}

int main(void)
{
    pthread_t id;
    wchar_t wide[16];
    char text[32] = "gr\374n", converted[32] = "", *in = text, *out = converted;
    size_t in_left = 4, out_left = 31;
    printf("start %s\n", setlocale(LC_ALL, 0));
    printf("utf-8 %s\n", setlocale(LC_CTYPE, "C.UTF-8"));
    printf("%s %d\n", nl_langinfo(CODESET), (int)MB_CUR_MAX);
    int length = mbstowcs(wide, "gr\303\274n", 16);
    printf("wide %d %d\n", length, wide[2] == 0xfc && iswalpha(wide[2]) && towupper(wide[2]) == 0xdc);
    pthread_create(&id, 0, thread, 0);
    pthread_join(id, 0);
    iconv_t conversion = iconv_open("UTF-8", "ISO-8859-1");
    iconv(conversion, &in, &in_left, &out, &out_left);
    printf("iconv %d %s\n", (int)in_left, converted);
    printf("number %s\n", localeconv()->decimal_point);
    return 0;
}
