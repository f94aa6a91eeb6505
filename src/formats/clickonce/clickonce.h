/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CLICKONCE_H
#define FORMATS_CLICKONCE_H
#include "archive/xml_c14n.h"
#include "archive/xml_edit.h"
#include "crypto/tsp.h"
#include "crypto/x509.h"
#include "formats/format.h"

#define CLICKONCE_DSIG   "http://www.w3.org/2000/09/xmldsig#"
#define CLICKONCE_V1     "urn:schemas-microsoft-com:asm.v1"
#define CLICKONCE_V2     "urn:schemas-microsoft-com:asm.v2"
#define CLICKONCE_REL    "http://schemas.microsoft.com/windows/rel/2005/reldata"
#define CLICKONCE_RIGHTS "urn:mpeg:mpeg21:2003:01-REL-R-NS"
#define CLICKONCE_AUTH   "http://schemas.microsoft.com/windows/pki/2005/Authenticode"
#define CLICKONCE_C14N   "http://www.w3.org/2001/10/xml-exc-c14n#"

enum { CLICKONCE_MAX = 16 * 1024 * 1024, CLICKONCE_SLOTS = 2, CLICKONCE_DEPTH = 64 };
extern const struct xml_limits clickonce_limits;

/* A manifest: its elements in document order, with the text as UTF-8. */
struct clickonce {
    struct xml_spans spans;
    bool marked;      /* begins with a byte order mark */
    bool deployment;  /* of a deployment, which names the application's manifest */
    size_t identity;  /* its own assemblyIdentity: index of the span */
    size_t publisher; /* publisherIdentity; SIZE_MAX: none */
    size_t signature; /* SIZE_MAX: none */
};
MUST_CHECK bool clickonce_open(struct arena *a, const struct source *in, struct clickonce *ret,
                               struct err *e);
MUST_CHECK bool clickonce_parse(struct arena *a, struct reader text, struct clickonce *ret,
                                struct err *e);
/* The next element after `from` inside of `parent` with this name; SIZE_MAX: none. */
size_t clickonce_find(const struct xml_spans *s, size_t parent, size_t from, const char *space,
                      const char *name);
struct reader clickonce_inside(const struct xml_spans *s, size_t span);
/* Base64 with blanks. */
MUST_CHECK bool clickonce_bytes(struct arena *a, const struct xml_spans *s, size_t span,
                                struct reader *ret);

/* One file that a manifest names with its hash. */
struct clickonce_reference {
    const char *path; /* with '/' */
    size_t element, digest,
        token; /* spans: dependentAssembly or file, DigestValue, assemblyIdentity */
    enum hash hash;
};
MUST_CHECK bool clickonce_references(struct arena *a, const struct clickonce *m,
                                     struct clickonce_reference **ret, size_t *ret_count,
                                     struct err *e);
/* Size and hash of the file as it is now; *ret_found false: there is none. */
struct clickonce_file {
    uint64_t size;
    struct digest_value digest;
};
MUST_CHECK bool clickonce_look(const struct surroundings *around, struct arena *a,
                               const struct clickonce_reference *r, struct clickonce_file *ret,
                               bool *ret_found, struct err *e);

/* --- XML signatures --------------------------------------------------------------------------- */
/* Hash of an element's exclusive canonical form within this document. */
MUST_CHECK bool clickonce_digest(struct arena *a, struct reader document, size_t element,
                                 enum hash hash, struct digest_value *ret, struct err *e);
MUST_CHECK bool clickonce_hash_of(const char *uri, enum hash *ret);
MUST_CHECK bool clickonce_method_of(const char *uri, enum hash *ret);
/* The token that names a key: end of the SHA-1 of its form in .NET, 16 digits and a NUL. */
MUST_CHECK bool clickonce_token(struct reader spki, char ret[17], struct err *e);
/* <KeyValue> of an RSA key. */
MUST_CHECK bool clickonce_put_key(struct writer *w, struct reader spki, struct err *e);
/* Whether a KeyValue with these numbers, as octets, is that of the key. */
bool clickonce_is_key(struct reader spki, struct reader modulus, struct reader exponent);
/* Hash of the public key alone, by SHA-1, as hexadecimal. */
MUST_CHECK bool clickonce_key_hash(struct reader spki, char ret[41], struct err *e);

MUST_CHECK bool clickonce_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool clickonce_verify(const struct verify_job *job, struct signature **ret,
                                 size_t *ret_count, struct err *e);
#endif
