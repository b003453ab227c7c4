# A static program that asks for a user: it opens libc.so.6, whose loader stands in its DT_NEEDED, as a library.
set -e
cat > s.c <<'C'
#include <pwd.h>
#include <stdio.h>
#include <netdb.h>

int main(void)
{
	struct passwd *root = getpwnam("root");
	struct servent *ssh = getservbyname("ssh", "tcp");

	printf("%s %d\n", root ? root->pw_dir : "nobody", ssh ? ssh->s_port : 0);
	return getpwnam("nothing") != 0;
}
C
gcc -w -static -o s s.c 2>/dev/null
./s
