/* The clock of a process, moved by what a file says: eight bytes, nanoseconds to add to the time of day. Debian's
 * libfaketime cannot do it: it allocates memory while Envoy's allocator asks it for the time, and so waits for itself.
 * This asks the kernel and allocates nothing. Clocks that count from the start of the machine are left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

static int64_t moved_by(void) {
    static volatile int tried;
    if (!tried) {
        tried = 1;
        const char *path = getenv("SIDEGATE_CLOCK");
        int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY) : -1;
        if (file >= 0) {
            void *found = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
            if (found != MAP_FAILED) offset = found;
            syscall(SYS_close, file);
        }
    }
    return offset ? *offset : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t now = time->tv_sec * 1000000000LL + time->tv_nsec + moved_by();
        time->tv_sec = now / 1000000000LL;
        time->tv_nsec = now % 1000000000LL;
    }
    return (int)result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
