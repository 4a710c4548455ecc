// Refuses threads from the number $REFUSE_THREADS_FROM on, as a system does that has no more to give.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    static int created;
    const char *from = getenv("REFUSE_THREADS_FROM");
    if (from && __atomic_fetch_add(&created, 1, __ATOMIC_SEQ_CST) >= atoi(from)) {
        return EAGAIN;
    }
    create *real = (create *)dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, start, argument);
}
