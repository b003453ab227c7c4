// Runs a program under a restriction that it inherits:
//   confined mdwe PROGRAM...            no mapping becomes executable that was not (PR_SET_MDWE, Linux 6.3)
//   confined without NUMBERS PROGRAM... the kernel does not know these system calls (ENOSYS); a list with commas
//   confined denied NUMBERS PROGRAM...  it does not allow them (EPERM)
//   confined only NUMBERS PROGRAM...    any system call but these kills
// The status is 77 where the kernel has no such restriction.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MDWE_SET 65
#define MDWE_REFUSE_EXEC_GAIN 1
#define UNAVAILABLE 77

static struct sock_filter rules[256];
static unsigned short count;

static void rule(unsigned short code, unsigned value, unsigned char yes, unsigned char no)
{
    rules[count++] = (struct sock_filter){code, yes, no, value};
}

// If the number is this one, the answer.
static void answer(unsigned number, unsigned value)
{
    rule(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    rule(BPF_RET | BPF_K, value, 0, 0);
}

int main(int argc, char **argv)
{
    char **program = argv + 3;
    if (argc < 3)
        return 2;
    if (!strcmp(argv[1], "mdwe")) {
        if (prctl(MDWE_SET, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
            return UNAVAILABLE;
        program = argv + 2;
    } else {
        int only = !strcmp(argv[1], "only");
        int error = strcmp(argv[1], "denied") ? ENOSYS : EPERM;
        rule(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
        for (char *number = strtok(argv[2], ","); number && count < 250; number = strtok(0, ","))
            answer(atoi(number), only ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | error);
        rule(BPF_RET | BPF_K, only ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW, 0, 0);
        struct sock_fprog filter = {count, rules};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
            return UNAVAILABLE;
    }
    execv(*program, program);
    return 126;
}
