// The few system facilities Swift cannot import: futexes (a variadic call), cache prefetch (a compiler builtin),
// relaxed accesses to plain words, and calls that glibc declares only under _GNU_SOURCE. Nothing here keeps state.
// It declares what it calls instead of including glibc's headers, so that it fits beside every other imported module.
#pragma once
#include <stdint.h>
#include <sys/syscall.h>

long syscall(long number, ...);
int accept4(int descriptor, void *address, void *length, int flags) __asm__("accept4");
int eventfd(unsigned int value, int flags);
int fcntl(int descriptor, int command, ...);
int fork(void);
int prctl(int option, ...);
int pthread_setname_np(unsigned long thread, const char *name);

/// Sleeps while *word == expected; may return early, so callers loop. FUTEX_WAIT | FUTEX_PRIVATE_FLAG.
static inline void csystem_futex_wait(const void *word, uint32_t expected) {
  syscall(SYS_futex, word, 0 | 128, expected, (void *)0, (void *)0, 0);
}

/// The same for at most so long.
static inline void csystem_futex_wait_milliseconds(const void *word, uint32_t expected, int64_t milliseconds) {
  struct {
    int64_t seconds, nanoseconds;
  } timeout = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  syscall(SYS_futex, word, 0 | 128, expected, &timeout, (void *)0, 0);
}

/// Wakes one sleeper on word. FUTEX_WAKE | FUTEX_PRIVATE_FLAG.
static inline void csystem_futex_wake_one(const void *word) {
  syscall(SYS_futex, word, 1 | 128, 1, (void *)0, (void *)0, 0);
}

/// Hints that the cache line at address will be read soon; never faults.
static inline void csystem_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// Bit i is set when byte i of the 16 at `bytes` is `wanted`: what Swift's vectors have no operation for.
typedef char csystem_bytes16 __attribute__((vector_size(16)));
static inline uint32_t csystem_matches16(const void *bytes, uint8_t wanted) {
  csystem_bytes16 vector;
  __builtin_memcpy(&vector, bytes, 16);
#if defined(__SSE2__)
  return (uint32_t)__builtin_ia32_pmovmskb128((csystem_bytes16)(vector == (char)wanted));
#else
  uint32_t mask = 0;
  for (int i = 0; i < 16; i++) mask |= (uint32_t)(vector[i] == (char)wanted) << i;
  return mask;
#endif
}

/// Bit i is set when byte i of the 16 at `bytes` is a space or a control character, for one look at both.
static inline uint32_t csystem_blanks16(const void *bytes) {
  typedef unsigned char bytes16 __attribute__((vector_size(16)));
  bytes16 vector;
  __builtin_memcpy(&vector, bytes, 16);
#if defined(__SSE2__)
  return (uint32_t)__builtin_ia32_pmovmskb128((csystem_bytes16)(vector <= (unsigned char)0x20));
#else
  uint32_t mask = 0;
  for (int i = 0; i < 16; i++) mask |= (uint32_t)(vector[i] <= 0x20) << i;
  return mask;
#endif
}

/// The next waiting connection, SOCK_NONBLOCK | SOCK_CLOEXEC.
static inline int csystem_accept(int listener) { return accept4(listener, (void *)0, (void *)0, 04000 | 02000000); }

/// recv and send without being points of cancellation, which no thread of ours needs and which costs both of them a
/// hundred instructions a call in a process of several threads. MSG_NOSIGNAL 0x4000.
static inline long csystem_receive(int descriptor, void *buffer, unsigned long size) {
  return syscall(SYS_recvfrom, descriptor, buffer, size, 0, (void *)0, (void *)0);
}
static inline long csystem_send(int descriptor, const void *bytes, unsigned long size) {
  return syscall(SYS_sendto, descriptor, bytes, size, 0x4000, (void *)0, 0);
}

/// A counting event descriptor, EFD_NONBLOCK | EFD_CLOEXEC.
static inline int csystem_eventfd(void) { return eventfd(0, 04000 | 02000000); }

/// Sets a descriptor to non-blocking and close-on-exec; 0 on success. F_GETFL 3, F_SETFL 4, F_SETFD 2.
static inline int csystem_set_nonblocking(int descriptor) {
  int flags = fcntl(descriptor, 3);
  if (flags < 0 || fcntl(descriptor, 4, flags | 04000) < 0) return -1;
  return fcntl(descriptor, 2, 1);
}

/// fork, which Swift does not import.
static inline int csystem_fork(void) { return fork(); }

/// Lets the process leave a core file although it changed its user, after which the kernel writes none.
/// PR_SET_DUMPABLE 4.
static inline void csystem_allow_dump(void) { prctl(4, 1L, 0L, 0L, 0L); }

/// Names a thread for ps and top; at most 15 bytes.
static inline void csystem_name_thread(unsigned long thread, const char *name) { pthread_setname_np(thread, name); }

/// An item's flags byte is written under the item's lock, but two of its bits never change and are read without it.
static inline uint8_t csystem_load_relaxed_byte(const void *byte) {
  return __atomic_load_n((const uint8_t *)byte, __ATOMIC_RELAXED);
}
static inline void csystem_store_relaxed_byte(void *byte, uint8_t value) {
  __atomic_store_n((uint8_t *)byte, value, __ATOMIC_RELAXED);
}

/// Hash-table bucket words are read without the lock for prefetching only; these are the relaxed accesses.
static inline uint32_t csystem_load_relaxed(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static inline void csystem_store_relaxed(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
