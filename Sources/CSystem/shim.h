// The few system facilities Swift cannot import: futexes (a variadic call), cache prefetch (a compiler builtin), and calls
// that glibc declares only under _GNU_SOURCE. Nothing here keeps state.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/// Sleeps while *word == expected; may return early, so callers loop.
static inline void csystem_futex_wait(const void *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, (void *)0, (void *)0, 0);
}

/// Wakes one sleeper on word.
static inline void csystem_futex_wake_one(const void *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, (void *)0, (void *)0, 0);
}

/// Hints that the cache line at address will be read soon; never faults.
static inline void csystem_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// accept4 with SOCK_NONBLOCK | SOCK_CLOEXEC; the peer address is written as with accept.
static inline int csystem_accept(int listener, struct sockaddr *address, socklen_t *length) {
  return (int)syscall(SYS_accept4, listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/// A non-blocking eventfd.
static inline int csystem_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/// Sets a descriptor to non-blocking and close-on-exec; 0 on success.
static inline int csystem_set_nonblocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) return -1;
  return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

/// Hash-table bucket words are read without the lock for prefetching only; these are the relaxed accesses.
static inline uint32_t csystem_load_relaxed(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static inline void csystem_store_relaxed(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
