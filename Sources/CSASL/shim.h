// Cyrus SASL's library as Swift sees it. Nothing of its own.
#include <sasl/sasl.h>
