// OpenSSL as the TLS room uses it: the headers, and functions for what OpenSSL itself only has as macros. Nothing here
// keeps state.
#pragma once
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static inline int copenssl_set_min_version(SSL_CTX *context, int version) {
  return SSL_CTX_set_min_proto_version(context, version);
}
static inline int copenssl_version(int level) {
  return level == 0 ? TLS1_VERSION : level == 1 ? TLS1_1_VERSION : level == 2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}
/// Writes go record by record, a write that is tried again may lie elsewhere, idle connections keep no buffers.
static inline void copenssl_set_modes(SSL_CTX *context) {
  SSL_CTX_set_mode(
      context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}
/// No renegotiation; without a session cache no tickets either; kernel TLS where OpenSSL has it.
static inline void copenssl_set_options(SSL_CTX *context, int caches_sessions, int kernel_tls) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(context, caches_sessions ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
  if (!caches_sessions) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
  }
#ifdef SSL_OP_ENABLE_KTLS
  if (kernel_tls) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
#endif
}
/// Whether this OpenSSL can leave encryption to the kernel.
static inline int copenssl_has_kernel_tls(void) {
#if defined(SSL_OP_ENABLE_KTLS) && !defined(OPENSSL_NO_KTLS)
  return 1;
#else
  return 0;
#endif
}
/// Sessions made so far that were not resumed.
static inline long copenssl_new_sessions(SSL_CTX *context) { return SSL_CTX_sess_accept_good(context); }
/// When the certificate ends, in seconds since 1970; -1 without one.
static inline long long copenssl_certificate_end(SSL_CTX *context) {
  X509 *certificate = SSL_CTX_get0_certificate(context);
  struct tm end;
  if (!certificate || !ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end)) return -1;
  return timegm(&end);
}
