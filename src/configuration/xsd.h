/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_XSD_H
#define CONFIGURATION_XSD_H
#include "base/writer.h"

/* The XML schema of the whole language, from the grammar tables: for editors, and for download at
 * artifact-configuration/v1.xsd. It says what may stand where; rules between elements and the
 * values of parameters are checked by configuration_parse only. About 90 KB; the caller asks
 * writer_ok. */
void xsd_write(struct writer *w);
#endif
