/* Libraries that come while another thread runs: with static TLS of their own, in both threads, and with dynamic. Built with -DLIBRARY as the library. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#ifdef LIBRARY
#ifdef STATIC
__attribute__((tls_model("initial-exec")))
#endif
__thread int value = 41;

int next(void)
{
	return ++value;
}
#else
static pthread_barrier_t barrier;
static int (*next[2])(void);

static void *other(void *argument)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	printf("the other thread: %d %d\n", next[0](), next[1]());
	return argument;
}

int main(void)
{
	const char *names[] = { "./liblate.so", "./libstatic.so" };
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, other, NULL);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 2; i++) {
		void *library = dlopen(names[i], RTLD_NOW);

		if (library == NULL) {
			puts(dlerror());
			return 1;
		}
		next[i] = (int (*)(void))dlsym(library, "next");
		printf("the first thread: %d\n", next[i]());
	}
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	return 0;
}
#endif
