/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/samples.h"
#include "archive/zip.h"
#include "formats/cab/cab_sample.h"
#include "formats/catalog/catalog_sample.h"
#include "formats/msi/msi_sample.h"
#include "formats/office_oxml/office_oxml_sample.h"
#include "formats/pe/pe_sample.h"
#include <stdlib.h>
#include <string.h>

enum { MUCH = 1024 * 1024 };

struct entry_text {
    const char *path, *text;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void zip(struct writer *w, const struct entry_text *entries, size_t count)
{
    struct err e = {0};
    struct sink k = sink_memory(w);
    struct zip_writer z;
    zip_writer_init(&z, &k);
    for (size_t i = 0; i < count; i++) {
        struct writer scratch;
        struct zip_packed packed;
        struct zip_meta meta = {.path = entries[i].path, .date = ZIP_DATE_FIXED};
        struct source text = source_memory(reader_text(entries[i].text));
        writer_init(&scratch, MUCH);
        struct sink s = sink_memory(&scratch);
        must(zip_pack(&text, ZIP_STORED, &s, &packed, &e) &&
             zip_writer_add(&z, &meta, &packed, &e));
        writer_done(&scratch);
    }
    must(zip_writer_finish(&z, reader_text(""), &e));
    zip_writer_done(&z);
}

static void make_zip(struct writer *w)
{
    static const struct entry_text entries[] = {{"a.txt", "alpha alpha"}, {"b/c.txt", "beta"}};
    zip(w, entries, COUNT_OF(entries));
}

static void make_nupkg(struct writer *w)
{
    static const struct entry_text entries[] = {
        {"Sample.nuspec",
         "<?xml version=\"1.0\"?><package xmlns=\"http://schemas.microsoft.com/packaging/2013/05/"
         "nuspec.xsd\"><metadata><id>Sample</id><version>1.2.3</version></metadata></package>"},
        {"lib/a.dll", "not really one"},
    };
    zip(w, entries, COUNT_OF(entries));
}

static void make_appx(struct writer *w)
{
    static const struct entry_text entries[] = {
        {"a.txt", "text"},
        {"AppxManifest.xml",
         "<Package xmlns=\"http://schemas.microsoft.com/appx/manifest/foundation/windows10\">"
         "<Identity Name=\"App\" Publisher=\"CN=Test signer, O=Chancery tests, C=DE\" "
         "Version=\"1.2.3.4\"/></Package>"},
        {"AppxBlockMap.xml", "<?xml version=\"1.0\"?><BlockMap "
                             "xmlns=\"http://schemas.microsoft.com/appx/2010/blockmap\" "
                             "HashMethod=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>"},
        {"[Content_Types].xml",
         "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/"
         "content-types\"><Default Extension=\"txt\" ContentType=\"text/plain\"/></Types>"},
    };
    zip(w, entries, COUNT_OF(entries));
}

static void make_pe(struct writer *w)
{
    pe_sample(w, &(struct pe_sample){.plus = true,
                                     .languages = 2,
                                     .product = "Sample",
                                     .description = "A sample",
                                     .overlay = 13});
}

static void make_powershell(struct writer *w)
{
    writer_text(w, "param($Name)\r\nWrite-Host \"hello $Name\"\r\n");
}

static void make_wscript(struct writer *w)
{
    writer_text(w, "Dim x\r\nx = 1\r\nWScript.Echo x\r\n");
}

static void make_cab(struct writer *w)
{
    static const uint16_t kinds[] = {CAB_MSZIP, CAB_STORED};
    const struct cab_sample_file files[] = {{"bin\\app.exe", reader_text("the program"), 0},
                                            {"read me.txt", reader_text("hello hello"), 0},
                                            {"stored.dat", reader_text("as it is"), 1}};
    cab_sample(w, &(struct cab_sample){.files = files,
                                       .file_count = COUNT_OF(files),
                                       .kinds = kinds,
                                       .folder_count = COUNT_OF(kinds)});
}

static void make_msi(struct writer *w)
{
    const struct msi_sample_stream streams[] = {{"Table", reader_text("some rows"), NULL},
                                                {"Other", reader_text("more"), NULL}};
    msi_sample(w, &(struct msi_sample){.major = 3, .streams = streams, .count = COUNT_OF(streams)});
}

static void make_office_oxml(struct writer *w)
{
    struct writer project;
    writer_init(&project, MUCH);
    vba_sample_project(&project, &(struct vba_sample){0});
    office_oxml_sample(w, writer_view(&project), NULL, 0);
    writer_done(&project);
}

static void make_office_binary(struct writer *w)
{
    static const struct vba_sample_stream book = {
        "Workbook", {(const uint8_t *)"\x09\x08\4\0\0\6\5\0\x0a\0\0\0", 12}};
    vba_sample_project(
        w, &(struct vba_sample){.prefix = "_VBA_PROJECT_CUR/", .more = &book, .more_count = 1});
}

static void make_clickonce(struct writer *w)
{
    writer_text(w, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<asmv1:assembly "
                   "xmlns:asmv1=\"urn:schemas-microsoft-com:asm.v1\" "
                   "xmlns=\"urn:schemas-microsoft-com:asm.v2\">\r\n <asmv1:assemblyIdentity "
                   "name=\"Sample.exe\" version=\"1.0.0.0\" publicKeyToken=\"0000000000000000\" "
                   "/>\r\n <application />\r\n</asmv1:assembly>\r\n");
}

static void make_catalog(struct writer *w)
{
    catalog_sample(w, OID_CTL, true);
}

static void make_opc(struct writer *w)
{
    static const struct entry_text entries[] = {
        {"docs/a.txt", "text"},
        {"extension.vsixmanifest",
         "<PackageManifest xmlns=\"http://schemas.microsoft.com/developer/vsx-schema/2011\">"
         "<Metadata><Identity Id=\"Tool\" Version=\"1.2\" Publisher=\"Acme\"/></Metadata>"
         "</PackageManifest>"},
        {"[Content_Types].xml",
         "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/"
         "content-types\"><Default Extension=\"txt\" ContentType=\"text/plain\"/><Default "
         "Extension=\"vsixmanifest\" ContentType=\"text/xml\"/></Types>"},
    };
    zip(w, entries, COUNT_OF(entries));
}

/* A member of the list. */
static uint64_t in_list(struct reader in)
{
    return reader_find(in, 0, "a digest of", 11);
}

static void make_file(struct writer *w)
{
    writer_text(w, "Any bytes at all.\n");
}

static uint64_t middle(struct reader in)
{
    return in.left / 2;
}

/* Behind the headers and local header of the first entry: content. */
static uint64_t in_entry(struct reader in)
{
    enum { LOCAL_HEADER = 30, NAME = 16 };
    return in.left < LOCAL_HEADER + NAME ? 0 : LOCAL_HEADER + NAME;
}

/* A word of the first stream. */
static uint64_t in_stream(struct reader in)
{
    return reader_find(in, 0, "some rows", 9);
}

/* The name of the assembly. */
static uint64_t in_name(struct reader in)
{
    return reader_find(in, 0, "Sample.exe", 10);
}

/* The compiled code of a macro project. */
static uint64_t in_code(struct reader in)
{
    return reader_find(in, 0, "compiled", 8);
}

/* clang-format off */
const struct format_sample format_samples[] = {
    {"office_oxml", "a.docm", false, make_office_oxml, in_code},
    {"office_binary", "a.xls", false, make_office_binary, in_code},
    {"nupkg",      "a.nupkg", false, make_nupkg,      in_entry},
    {"appx",       "a.appx",  true,  make_appx,       in_entry},
    {"msix",       "a.msix",  true,  make_appx,       in_entry},
    {"opc",        "a.vsix",  false, make_opc,        in_entry},
    {"zip",        "a.zip",   false, make_zip,        in_entry},
    {"pe",         "a.exe",   true,  make_pe,         middle},
    {"powershell", "a.ps1",   true,  make_powershell, middle},
    {"wscript",    "a.vbs",   false, make_wscript,    middle},
    {"cab",        "a.cab",   true,  make_cab,        middle},
    {"msi",        "a.msi",   true,  make_msi,        in_stream},
    {"clickonce",  "a.manifest", false, make_clickonce, in_name},
    {"catalog",    "a.cat",   true,  make_catalog,    in_list},
    {"file",       "a.bin",   false, make_file,       middle},
    {0},
};
/* clang-format on */

const struct format_sample *format_sample_of(const char *id)
{
    for (const struct format_sample *s = format_samples; s->id != NULL; s++)
        if (strcmp(s->id, id) == 0)
            return s;
    return NULL;
}
