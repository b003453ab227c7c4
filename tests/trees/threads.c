/* What a process does with the interface between libc and its loader while it runs: threads and their storage, cancellation, fork, other users,
   dlopen, facts about the machine. Built in each tree by its own compiler; what it prints is the same under every right loader. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <iconv.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#endif

extern void __libc_freeres(void);

static __thread int own = 7;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int sum;
static pthread_t first;

static void *work(void *argument)
{
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&mutex);
		sum++;
		pthread_mutex_unlock(&mutex);
	}
	own += (long)argument;
	free(malloc(1000));
	if (sched_getcpu() < 0)
		puts("no processor");
	return (void *)(long)own;
}

static void *sleeper(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static void *join_first(void *argument)
{
	void *result;
	int error = pthread_join(first, &result);

	printf("joined the first thread: %d %ld\n", error, (long)result);
	fflush(stdout);
	exit(argument == NULL ? 0 : 1);
}

int main(void)
{
	pthread_t threads[16];
	void *result;

	for (int round = 0; round < 3; round++) {
		long total = 0;

		for (long i = 0; i < 16; i++)
			pthread_create(&threads[i], NULL, work, (void *)i);
		for (int i = 0; i < 16; i++) {
			pthread_join(threads[i], &result);
			total += (long)result;
		}
		printf("threads: %ld %d\n", total, sum);
	}

	pthread_create(&threads[0], NULL, sleeper, NULL);
	pthread_cancel(threads[0]);
	pthread_join(threads[0], &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);

	pthread_attr_t attributes;
	void *stack;
	size_t size;
	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstack(&attributes, &stack, &size);
	printf("on its stack: %d\n", (char *)&size > (char *)stack && (char *)&size < (char *)stack + size);

	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		pthread_create(&threads[0], NULL, work, NULL);
		pthread_join(threads[0], NULL);
		_exit(dlopen("libm.so.6", RTLD_NOW) == NULL ? 1 : 3);
	}
	int status;
	waitpid(child, &status, 0);
	printf("child: %d\n", WEXITSTATUS(status));
	pthread_create(&threads[0], NULL, sleeper, NULL);
	printf("setuid: %d\n", setuid(getuid()));
	pthread_cancel(threads[0]);
	pthread_join(threads[0], NULL);
	fflush(stdout);
	printf("system: %d\n", system("exit 3"));

	void *libm = dlopen("libm.so.6", RTLD_NOW);
	double (*cosine)(double) = (double (*)(double))dlsym(libm, "cos");
	printf("cos(0.5): %f\n", cosine(0.5));
	printf("dlerror: %s\n", dlopen("libnothing.so", RTLD_NOW) == NULL ? dlerror() : "none");
	Dl_info info;
	int found = dladdr(dlsym(RTLD_DEFAULT, "fflush"), &info);
	printf("dladdr: %d %s\n", found, info.dli_fname);

	struct timespec precise;
	struct timeval coarse;
	clock_gettime(CLOCK_REALTIME, &precise);
	gettimeofday(&coarse, NULL);
	printf("time: %d %d\n", labs(precise.tv_sec - time(NULL)) < 3, labs(coarse.tv_sec - precise.tv_sec) < 3);
	printf("auxv: %lx %lx %ld\n", getauxval(AT_HWCAP), getauxval(AT_HWCAP2), getauxval(AT_PAGESZ));
	printf("sysconf: %ld %ld %ld\n", sysconf(_SC_LEVEL1_DCACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE),
	       sysconf(_SC_CLK_TCK));
#if __GLIBC_PREREQ(2, 35)
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	printf("rseq: %u %d\n", __rseq_size, (int)area->cpu_id >= 0);
#endif

	printf("root: %s, %d\n", getpwnam("root")->pw_dir, iconv_open("UTF-16", "ISO-8859-15") != (iconv_t)-1);
	first = pthread_self();
	fflush(stdout);
	if (fork() == 0) {
		__libc_freeres();
		_exit(0);
	}
	wait(&status);
	printf("freeres: %d\n", status);
	pthread_create(&threads[1], NULL, join_first, NULL);
	usleep(1000);
	pthread_exit((void *)5);
}
