/* Preloaded into the daemon and its resolver: the wall clock is so many seconds ahead as the first eight octets of the
 * file FAULT_CLOCK say, a signed number in the machine's order. The monotonic clock is left alone. The resolver is
 * started without our environment, so what concerns this library is put back into it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void) {
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("FAULT_CLOCK");
    const int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    if (!real) start();
    const int result = real(clock, out);
    if (result == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += *offset;
    return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    (void)zone;
    struct timespec now;
    const int result = clock_gettime(CLOCK_REALTIME, &now);
    if (result == 0) {
        out->tv_sec = now.tv_sec;
        out->tv_usec = now.tv_nsec / 1000;
    }
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    const time_t result = clock_gettime(CLOCK_REALTIME, &now) == 0 ? now.tv_sec : -1;
    if (out) *out = result;
    return result;
}

int posix_spawn(pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *restrict actions,
                const posix_spawnattr_t *restrict attributes, char *const argv[restrict], char *const envp[restrict]) {
    typedef int Spawn(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],
                      char *const[]);
    char *together[64];
    size_t count = 0;
    for (; envp && envp[count] && count < 60; ++count) together[count] = envp[count];
    for (char **own = environ; *own && count < 62; ++own)
        if (strncmp(*own, "LD_PRELOAD=", 11) == 0 || strncmp(*own, "FAULT_CLOCK=", 12) == 0) together[count++] = *own;
    together[count] = NULL;
    return ((Spawn *)dlsym(RTLD_NEXT, "posix_spawn"))(pid, path, actions, attributes, argv, together);
}
