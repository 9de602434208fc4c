// What Swift sees of libevent: the event core (no bufferevent, HTTP, DNS or threads; every base belongs to one thread).
#include <event2/event.h>
#include <event2/event_struct.h>
