/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_oxml/office_oxml_sample.h"
#include <stdlib.h>

#define PACKAGE   "http://schemas.openxmlformats.org/package/2006/"
#define LINKS     "<Relationships xmlns=\"" PACKAGE "relationships\">"
#define OFFICE    "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
#define MICROSOFT "http://schemas.microsoft.com/office/2006/relationships/"

static const char types[] =
    "<?xml version=\"1.0\"?>\n<Types xmlns=\"" PACKAGE "content-types\">\n"
    " <Default Extension=\"xml\" ContentType=\"application/xml\"/>\n"
    " <Default Extension=\"bin\" ContentType=\"application/vnd.ms-office.vbaProject\"/>\n"
    " <Override PartName=\"/word/vbaData.xml\" "
    "ContentType=\"application/vnd.ms-word.vbaData+xml\"/>\n"
    "</Types>";
static const char root_links[] =
    LINKS "<Relationship Id=\"rId1\" Type=\"" OFFICE "officeDocument\" "
          "Target=\"word/document.xml\"/></Relationships>";
static const char document_links[] =
    LINKS "<Relationship Id=\"rId7\" Type=\"" MICROSOFT "vbaProject\" "
          "Target=\"vbaProject.bin\"/></Relationships>";
static const char project_links[] =
    LINKS "<Relationship Id=\"rId1\" Type=\"" MICROSOFT "wordVbaData\" "
          "Target=\"vbaData.xml\"/></Relationships>";

static void put(struct zip_writer *z, const char *path, struct reader content)
{
    struct writer w;
    struct err e = {0};
    struct zip_packed packed;
    const struct source in = source_memory(content);
    const struct zip_meta meta = {.path = path, .date = ZIP_DATE_FIXED};
    writer_init(&w, 1 << 20);
    struct sink k = sink_memory(&w);
    if (!zip_pack(&in, ZIP_STORED, &k, &packed, &e) || !zip_writer_add(z, &meta, &packed, &e))
        abort();
    writer_done(&w);
}

void office_oxml_sample(struct writer *w, struct reader project,
                        const struct office_oxml_part *more, size_t more_count)
{
    struct err e = {0};
    struct sink k = sink_memory(w);
    struct zip_writer z;
    bool macros = project.at != NULL;
    zip_writer_init(&z, &k);
    put(&z, "[Content_Types].xml", reader_text(types));
    put(&z, "_rels/.rels", reader_text(root_links));
    put(&z, "word/document.xml", reader_text("<document/>"));
    put(&z, "word/_rels/document.xml.rels",
        reader_text(macros ? document_links : LINKS "</Relationships>"));
    put(&z, "word/vbaData.xml", reader_text("<data/>"));
    if (macros) {
        put(&z, "word/vbaProject.bin", project);
        put(&z, "word/_rels/vbaProject.bin.rels", reader_text(project_links));
    }
    for (size_t i = 0; i < more_count; i++)
        put(&z, more[i].path, more[i].content);
    if (!zip_writer_finish(&z, (struct reader){0}, &e))
        abort();
    zip_writer_done(&z);
}
