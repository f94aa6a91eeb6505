/* SPDX-License-Identifier: Apache-2.0 */
/* libxml2 brings ICU and the C++ runtime: loading them costs more CPU than signing a small file.
 * `chancery` needs it only to read an artifact configuration, so these stand in for the functions
 * that archive/xml calls and load the library at the first one. Other programs link it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/xmlreader.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS = 6 };
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *library;

static void load(void)
{
    library = dlopen("libxml2.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)fprintf(stderr, "chancery: libxml2 cannot be loaded: %s\n", dlerror());
        exit(STATUS);
    }
}

static void *find(const char *name)
{
    (void)pthread_once(&once, load);
    void *found = dlsym(library, name);
    if (found == NULL) {
        (void)fprintf(stderr, "chancery: libxml2 lacks %s\n", name);
        exit(STATUS);
    }
    return found;
}

/* C has no function pointers from void *; POSIX says that this one is one. */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL)                                                                              \
    *(void **)(&real) = find(#name)

void xmlInitParser(void)
{
    REAL(xmlInitParser);
    real();
}

xmlTextReaderPtr xmlReaderForMemory(const char *buffer, int size, const char *url,
                                    const char *encoding, int options)
{
    REAL(xmlReaderForMemory);
    return real(buffer, size, url, encoding, options);
}

void xmlFreeTextReader(xmlTextReaderPtr reader)
{
    REAL(xmlFreeTextReader);
    real(reader);
}

void xmlTextReaderSetStructuredErrorHandler(xmlTextReaderPtr reader, xmlStructuredErrorFunc f,
                                            void *arg)
{
    REAL(xmlTextReaderSetStructuredErrorHandler);
    real(reader, f, arg);
}

#define TEXT(name)                                                                                 \
    const xmlChar *name(xmlTextReaderPtr reader)                                                   \
    {                                                                                              \
        REAL(name);                                                                                \
        return real(reader);                                                                       \
    }
#define NUMBER(name)                                                                               \
    int name(xmlTextReaderPtr reader)                                                              \
    {                                                                                              \
        REAL(name);                                                                                \
        return real(reader);                                                                       \
    }

xmlDocPtr xmlReadMemory(const char *buffer, int size, const char *url, const char *encoding,
                        int options)
{
    REAL(xmlReadMemory);
    return real(buffer, size, url, encoding, options);
}

void xmlFreeDoc(xmlDocPtr document)
{
    REAL(xmlFreeDoc);
    real(document);
}

xmlOutputBufferPtr xmlOutputBufferCreateIO(xmlOutputWriteCallback write,
                                           xmlOutputCloseCallback close, void *ctx,
                                           xmlCharEncodingHandlerPtr encoder)
{
    REAL(xmlOutputBufferCreateIO);
    return real(write, close, ctx, encoder);
}

int xmlOutputBufferClose(xmlOutputBufferPtr buffer)
{
    REAL(xmlOutputBufferClose);
    return real(buffer);
}

int xmlC14NExecute(xmlDocPtr document, xmlC14NIsVisibleCallback visible, void *ctx, int mode,
                   xmlChar **prefixes, int comments, xmlOutputBufferPtr buffer)
{
    REAL(xmlC14NExecute);
    return real(document, visible, ctx, mode, prefixes, comments, buffer);
}

TEXT(xmlTextReaderConstLocalName)
TEXT(xmlTextReaderConstName)
TEXT(xmlTextReaderConstNamespaceUri)
TEXT(xmlTextReaderConstValue)
NUMBER(xmlTextReaderIsNamespaceDecl)
NUMBER(xmlTextReaderMoveToElement)
NUMBER(xmlTextReaderMoveToNextAttribute)
NUMBER(xmlTextReaderNodeType)
NUMBER(xmlTextReaderRead)
