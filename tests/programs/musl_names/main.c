// Users, groups, hosts and services by the files of /etc; time zones by their files and by TZ.
//# libc: musl
//# stdout: root /root 0
//# stdout: root, nobody of that name 1
//# stdout: localhost 0 127.0.0.1
//# stdout: an address 0 1
//# stdout: Name does not resolve
//# stdout: 2023-11-15 03:43:20 ABC
//# stdout: Tue Nov 14 22:13:20 2023 UTC
#define _GNU_SOURCE
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <time.h>

int main(void)
{
    struct passwd *user = getpwnam("root");
    struct group *group = getgrgid(0);
    printf("%s %s %d\n", user->pw_name, user->pw_dir, (int)user->pw_uid);
    printf("%s, nobody of that name %d\n", group->gr_name, getpwnam("nobody of that name") == NULL);
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = 0;
    int error = getaddrinfo("localhost", "80", &hints, &found);
    char text[64] = "";
    if (!error)
        inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text);
    printf("localhost %d %s\n", error, text);
    error = getaddrinfo("::1", 0, 0, &found);
    printf("an address %d %d\n", error, found->ai_family == AF_INET6);
    hints.ai_flags = AI_NUMERICHOST;
    printf("%s\n", gai_strerror(getaddrinfo("no address", "80", &hints, &found)));
    time_t when = 1700000000;
    setenv("TZ", "ABC-5:30", 1);
    tzset();
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", localtime(&when));
    printf("%s\n", text);
    setenv("TZ", "UTC0", 1);
    tzset();
    strftime(text, sizeof text, "%c %Z", localtime(&when));
    printf("%s\n", text);
    return 0;
}
