// malloc and its relatives, counted and passed on to glibc under its other names for them (__libc_malloc and so on,
// which glibc exports for exactly this). Linked into an executable, these definitions win over the library's for
// everybody in the process, the Swift runtime included. Not linked into anything that is shipped. Counters are per
// thread, so tests may run in parallel.
#include "CAllocationCounter.h"

#include <errno.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

static __thread uint64_t allocations __attribute__((tls_model("initial-exec")));
static __thread uint64_t deallocations __attribute__((tls_model("initial-exec")));

uint64_t allocation_count(void) { return allocations; }
uint64_t deallocation_count(void) { return deallocations; }

#if defined(__GLIBC__) && !defined(HAS_SANITIZER)

int allocation_counter_works(void) { return 1; }

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

void *malloc(size_t size) {
  allocations += 1;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  allocations += 1;
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  allocations += 1;
  return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
  allocations += 1;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  allocations += 1;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
  allocations += 1;
  void *found = __libc_memalign(alignment, size);
  if (!found) return ENOMEM;
  *block = found;
  return 0;
}

void free(void *block) {
  if (block) deallocations += 1;
  __libc_free(block);
}

#else

int allocation_counter_works(void) { return 0; }

#endif
