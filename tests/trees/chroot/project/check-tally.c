/* Its tests: each thread has its own count. */
#include "tally.h"

#include <pthread.h>
#include <stdio.h>

static void *work(void *argument)
{
	for (long i = 0; i < (long)argument; i++)
		tally("word");
	return (void *)(long)(tallied("word") == (long)argument && tallied("other") == 0);
}

int main(void)
{
	pthread_t threads[8];
	long passed = 0;

	tally("other");
	for (long i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < 8; i++) {
		void *result;

		pthread_join(threads[i], &result);
		passed += (long)result;
	}
	printf("%ld of 8 passed, %d in the first thread\n", passed, tallied("word"));
	return passed != 8;
}
