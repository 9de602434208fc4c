// Counts the heap allocations of each thread, by standing in front of glibc's allocator. For tests only.
#pragma once
#include <stdint.h>

/// Whether allocations are counted: not when a sanitizer has put its own allocator in place.
int allocation_counter_works(void);

/// How many blocks the calling thread has asked for since it began.
uint64_t allocation_count(void);

/// How many blocks the calling thread has given back since it began.
uint64_t deallocation_count(void);
