/* Faults of the disk and the clock, put between a process and the C library by LD_PRELOAD.

The switches are a file that both sides map (JUNCTOR_FAULTS names it); the test turns them while the
process runs. Only the store's files are touched. What a failing sync has not written is taken back,
as a kernel may drop it: a later sync that succeeds does not make up for it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define STORE "/junctor.db"
#define MOST_DIRTY 65536

/* The same fields, in the same order, as Switches in faults.py. */
struct switches {
    int32_t write_error; /* errno of every write, 0: none */
    int32_t grow_error;  /* errno of writes that make a file larger */
    int32_t sync_error;  /* errno of fsync; takes back what was written since the last one */
    int32_t read_error;  /* errno of reads */
    int32_t halves;      /* write only the first half of what is longer than a byte, then ENOSPC */
    int32_t fired;       /* how often one of them took effect */
    int64_t clock_ahead; /* milliseconds that the wall clock is ahead */
};

static struct switches off, *now = &off;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_pread)(int, void *, size_t, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_pread = dlsym(RTLD_NEXT, "pread64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("JUNCTOR_FAULTS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *shared = mmap(NULL, sizeof off, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED) now = shared;
}

static int is_store(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, STORE) != NULL;
}

static int fails(int error) {
    __atomic_add_fetch(&now->fired, 1, __ATOMIC_SEQ_CST);
    errno = error;
    return -1;
}

/* -- what is written and not yet synced, while syncs are to fail ------------------------------- */

static struct dirty {
    dev_t device;
    ino_t inode;
    off64_t at, size_before;
    size_t length;
    char *before;
} dirty[MOST_DIRTY];
static int dirty_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(int file, size_t length, off64_t at) {
    struct stat64 found;
    if (fstat64(file, &found)) return;
    pthread_mutex_lock(&lock);
    if (dirty_count < MOST_DIRTY) {
        char *before = calloc(1, length);
        real_pread(file, before, length, at);
        dirty[dirty_count++] =
            (struct dirty){found.st_dev, found.st_ino, at, found.st_size, length, before};
    }
    pthread_mutex_unlock(&lock);
}

static void take_back(int file) {
    struct stat64 found;
    if (fstat64(file, &found)) return;
    pthread_mutex_lock(&lock);
    int kept = 0;
    for (int i = dirty_count - 1; i >= 0; i--) { /* the newest first */
        struct dirty *one = &dirty[i];
        if (one->inode != found.st_ino || one->device != found.st_dev || !one->before) continue;
        real_pwrite(file, one->before, one->length, one->at);
        free(one->before);
        one->before = NULL;
    }
    for (int i = 0; i < dirty_count; i++)
        if (dirty[i].before) dirty[kept++] = dirty[i];
    dirty_count = kept;
    pthread_mutex_unlock(&lock);
}

/* -- the calls --------------------------------------------------------------------------------- */

ssize_t pwrite64(int file, const void *from, size_t length, off64_t at) {
    struct switches set = *now;
    if (!(set.write_error || set.grow_error || set.halves || set.sync_error) || !is_store(file))
        return real_pwrite(file, from, length, at);
    if (set.write_error) return fails(set.write_error);
    if (set.grow_error) {
        struct stat64 found;
        if (!fstat64(file, &found) && at + (off64_t)length > found.st_size)
            return fails(set.grow_error);
    }
    if (set.sync_error) remember(file, length, at);
    if (set.halves) {
        fails(ENOSPC);
        return length > 1 ? real_pwrite(file, from, length / 2, at) : -1;
    }
    return real_pwrite(file, from, length, at);
}

ssize_t pwrite(int file, const void *from, size_t length, off_t at) {
    return pwrite64(file, from, length, at);
}

ssize_t pread64(int file, void *into, size_t length, off64_t at) {
    if (now->read_error && is_store(file)) return fails(now->read_error);
    return real_pread(file, into, length, at);
}

ssize_t pread(int file, void *into, size_t length, off_t at) {
    return pread64(file, into, length, at);
}

int fsync(int file) {
    if (!now->sync_error || !is_store(file)) return real_fsync(file);
    take_back(file);
    return fails(now->sync_error);
}

int fdatasync(int file) {
    if (!now->sync_error || !is_store(file)) return real_fdatasync(file);
    take_back(file);
    return fails(now->sync_error);
}

int clock_gettime(clockid_t clock, struct timespec *into) {
    int result = real_clock_gettime(clock, into);
    int64_t ahead = now->clock_ahead;
    if (result == 0 && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t nanos = into->tv_nsec + (ahead % 1000) * 1000000;
        into->tv_sec += ahead / 1000;
        if (nanos < 0) nanos += 1000000000, into->tv_sec--;
        if (nanos >= 1000000000) nanos -= 1000000000, into->tv_sec++;
        into->tv_nsec = nanos;
    }
    return result;
}

int gettimeofday(struct timeval *restrict into, void *restrict zone) {
    (void)zone;
    struct timespec time;
    int result = clock_gettime(CLOCK_REALTIME, &time);
    into->tv_sec = time.tv_sec;
    into->tv_usec = time.tv_nsec / 1000;
    return result;
}

time_t time(time_t *into) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (into) *into = time.tv_sec;
    return time.tv_sec;
}
