/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_VBA_SAMPLE_H
#define FORMATS_VBA_SAMPLE_H
#include "archive/cfb.h"

/* For tests only: compound files with a VBA project, made from nothing. */
struct vba_sample_stream {
    const char *path; /* "VBA/dir"; '\5' and the like as they are */
    struct reader content;
};
void vba_sample_file(struct writer *w, const struct vba_sample_stream *streams, size_t count);

struct vba_sample {
    const char *source;                   /* of the module Module1; NULL: a macro */
    const char *form;                     /* of the form UserForm1, one stream; NULL: "form" */
    const char *project;                  /* added lines of the PROJECT stream; NULL: none */
    const char *code;                     /* the stream _VBA_PROJECT; NULL: something */
    const char *prefix;                   /* of all paths: "Macros/"; NULL: none */
    const struct vba_sample_stream *more; /* whole paths */
    size_t more_count;
};
void vba_sample_project(struct writer *w, const struct vba_sample *s);
#endif
