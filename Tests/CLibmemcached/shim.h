// What the tests see of the real C client.
#include <libmemcached/memcached.h>
