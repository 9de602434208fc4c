// What Swift sees of libevent: the event core (no bufferevent, HTTP, DNS or threads; every base belongs to one thread).
// sys/select.h comes before libevent's headers, which define _GNU_SOURCE and would give fd_set another shape than
// Swift's own Glibc module has.
#include <sys/types.h>
#include <sys/select.h>
#include <sys/time.h>
#include <event2/event.h>
#include <event2/event_struct.h>
