/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/grammar.h"
#include <string.h>

/* clang-format off */
#define REQUIRED ATTRIBUTE_REQUIRED
#define PER_FILE ATTRIBUTE_PER_FILE
#define END      {.name = NULL}
#define RESTRICTION(n, what) {.name = n, .value = VALUE_RESTRICTION, .flags = PER_FILE, .about = what}

const struct grammar_attribute grammar_nothing[] = {END};

const struct grammar_attribute grammar_path[] = {
    {.name = "path", .value = VALUE_PATH, .flags = REQUIRED,
     .about = "path pattern, relative to the enclosing container or directory"},
    {.name = "min-matches", .value = VALUE_MIN, .by_default = "1",
     .about = "how many files the pattern must match at least; 0 makes it optional"},
    {.name = "max-matches", .value = VALUE_MAX, .by_default = "1",
     .about = "how many files it may match at most"},
    END,
};
const struct grammar_attribute grammar_root_path[] = {
    {.name = "path", .value = VALUE_ROOT_PATH,
     .about = "pattern for the name of the uploaded file; without it any name passes"},
    END,
};
const struct grammar_attribute grammar_multifile[] = {
    {.name = "ui-multifile-upload", .value = VALUE_CHOICE, .choices = "on off", .by_default = "off",
     .about = "the submission page takes several files and packs them into the ZIP"},
    END,
};
const struct grammar_attribute grammar_parameter[] = {
    {.name = "name", .value = VALUE_PARAMETER_NAME, .flags = REQUIRED | ATTRIBUTE_PLAIN,
     .about = "letter or underscore, then letters, digits, '.', '_', '-'; unique; not beginning with 'file.'"},
    {.name = "default-value", .value = VALUE_DEFAULT, .flags = ATTRIBUTE_PLAIN,
     .about = "used when a request does not give the parameter"},
    {.name = "required", .value = VALUE_BOOLEAN, .flags = ATTRIBUTE_PLAIN, .by_default = "false",
     .about = "a value that is not empty must end up there"},
    END,
};

/* --- restrictions --------------------------------------------------------------------------- */
static const struct grammar_attribute pe_restrictions[] = {
    {.name = "product-name", .value = VALUE_RESTRICTION, .flags = PER_FILE, .old_name = "productName",
     .about = "ProductName of the version resource"},
    {.name = "product-version", .value = VALUE_RESTRICTION, .flags = PER_FILE, .old_name = "productVersion",
     .about = "ProductVersion of the version resource"},
    RESTRICTION("file-version", "FileVersion of the version resource"),
    RESTRICTION("company-name", "CompanyName of the version resource"),
    RESTRICTION("copyright", "LegalCopyright of the version resource"),
    RESTRICTION("original-filename", "OriginalFilename of the version resource"),
    END,
};
static const struct grammar_attribute msi_restrictions[] = {
    RESTRICTION("subject", "Subject of the summary information"),
    RESTRICTION("author", "Author of the summary information"),
    END,
};
static const struct grammar_attribute appx_restrictions[] = {
    RESTRICTION("package-name", "Identity Name of the manifest"),
    RESTRICTION("package-version", "Identity Version of the manifest"),
    RESTRICTION("publisher", "Identity Publisher of the manifest"),
    END,
};
static const struct grammar_attribute opc_restrictions[] = {
    RESTRICTION("package-id", "Identity Id of extension.vsixmanifest"),
    RESTRICTION("package-version", "Identity Version of extension.vsixmanifest"),
    RESTRICTION("publisher", "Identity Publisher of extension.vsixmanifest"),
    END,
};
static const struct grammar_attribute nupkg_restrictions[] = {
    RESTRICTION("package-id", "id of the .nuspec"),
    RESTRICTION("package-version", "version of the .nuspec"),
    END,
};
static const struct grammar_attribute xml_restrictions[] = {
    RESTRICTION("root-element-name", "local name of the document element"),
    RESTRICTION("root-element-namespace", "namespace of the document element; empty means none"),
    END,
};

/* --- directives ----------------------------------------------------------------------------- */
#define OUTPUT \
    {.name = "output-file-name", .value = VALUE_OUTPUT_NAME, .flags = REQUIRED | PER_FILE, \
     .about = "name of the new file; it lies beside the source"}
#define HASH(list) \
    {.name = "hash-algorithm", .value = VALUE_CHOICE, .choices = list, .by_default = "sha256", \
     .about = "digest algorithm"}
#define PADDING \
    {.name = "rsa-padding", .value = VALUE_CHOICE, .choices = "pkcs1 pss", \
     .about = "required when the key is an RSA key, ignored otherwise"}
#define TAG \
    {.name = "tag", .value = VALUE_TAG, .flags = REQUIRED, .about = "image tag"}
#define SHA2 "sha256 sha384 sha512"

static const struct grammar_attribute authenticode_attributes[] = {
    HASH("sha1 " SHA2),
    {.name = "description", .value = VALUE_TEXT, .flags = PER_FILE,
     .about = "shown by Windows; default: FileDescription of a PE file, else the file name"},
    {.name = "description-url", .value = VALUE_URL, .flags = PER_FILE,
     .about = "absolute http or https address shown by Windows"},
    {.name = "append", .value = VALUE_BOOLEAN, .by_default = "false",
     .only_in = "pe-file cab-file catalog-file",
     .about = "keep the signatures that are there and add one"},
    {.name = "page-hashes", .value = VALUE_BOOLEAN, .by_default = "false",
     .only_in = "pe-file",
     .about = "also a digest of each page, for drivers and protected processes (signtool /ph)"},
    END,
};
static const struct grammar_attribute apk_attributes[] = {
    {.name = "min-sdk-version", .value = VALUE_NUMBER,
     .about = "lowest Android API level to support; default: the manifest's"},
    {.name = "max-sdk-version", .value = VALUE_NUMBER,
     .about = "highest Android API level to support; default: the highest known"},
    END,
};
static const struct grammar_attribute debsigs_attributes[] = {
    {.name = "signature-type", .value = VALUE_SIGNATURE_TYPE, .flags = REQUIRED,
     .about = "'origin', 'maint', 'archive' or another word of at most 11 letters"},
    END,
};
static const struct grammar_attribute xml_attributes[] = {
    {.name = "key-info-x509-data", .value = VALUE_CHOICE,
     .choices = "none leaf whole-chain exclude-root", .by_default = "leaf",
     .about = "which certificates are put into KeyInfo"},
    END,
};
static const struct grammar_attribute tag_attributes[] = {TAG, END};
static const struct grammar_attribute dsse_attributes[] = {
    OUTPUT,
    {.name = "payload-type", .value = VALUE_PAYLOAD_TYPE, .flags = REQUIRED,
     .about = "MIME type or URI of the content"},
    HASH(SHA2), PADDING, END,
};
static const struct grammar_attribute smime_attributes[] = {
    OUTPUT,
    {.name = "normalization", .value = VALUE_CHOICE, .choices = "line-endings none",
     .by_default = "line-endings", .about = "line ends are made CR LF before signing, or kept"},
    HASH(SHA2), PADDING, END,
};
static const struct grammar_attribute cms_attributes[] = {
    OUTPUT,
    {.name = "output-encoding", .value = VALUE_CHOICE, .flags = REQUIRED, .choices = "pem der",
     .about = "encoding of the signature file"},
    HASH(SHA2), PADDING, END,
};
static const struct grammar_attribute gpg_attributes[] = {
    OUTPUT,
    {.name = "output-encoding", .value = VALUE_CHOICE, .choices = "ascii-armored binary",
     .by_default = "ascii-armored", .about = "encoding of the signature file"},
    HASH(SHA2),
    {.name = "version", .value = VALUE_CHOICE, .choices = "4", .by_default = "4",
     .about = "OpenPGP signature version"},
    END,
};
static const struct grammar_attribute raw_attributes[] = {
    OUTPUT,
    {.name = "hash-algorithm", .value = VALUE_CHOICE, .flags = REQUIRED, .choices = SHA2,
     .about = "digest algorithm"},
    PADDING, END,
};
static const struct grammar_attribute output_attributes[] = {OUTPUT, END};
static const struct grammar_attribute attestation_attributes[] = {
    {.name = "type", .value = VALUE_CHOICE, .flags = REQUIRED, .choices = "cms dsse",
     .about = "form of the signature"},
    OUTPUT, END,
};

const struct grammar_directive grammar_directives[] = {
    {"authenticode-sign", authenticode_attributes, GRAMMAR_SIGN | GRAMMAR_REPEAT, GRAMMAR_KEY_X509, NULL,
     "Authenticode signature"},
    {"authenticode-verify", grammar_nothing, GRAMMAR_VERIFY | GRAMMAR_ONCE, GRAMMAR_KEY_NONE, NULL,
     "refuses the file unless its first Authenticode signature fits the file and its signer is trusted: a chain for code signing to one of the trusted roots of the server, valid at the time of a trusted time stamp, or now; revocation is not looked up"},
    {"nuget-sign", grammar_nothing, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_RSA, NULL, "NuGet author signature"},
    {"opc-sign", grammar_nothing, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_X509, NULL, "OPC package signature"},
    {"office-macro-sign", grammar_nothing, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_X509, NULL,
     "signature over the VBA macros of an Office file"},
    {"jar-sign", grammar_nothing, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_X509, NULL, "Java archive signature"},
    {"apk-sign", apk_attributes, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_X509, NULL, "Android package signatures"},
    {"rpm-sign", grammar_nothing, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_GPG, NULL, "RPM header signature"},
    {"debsigs-sign", debsigs_attributes, GRAMMAR_SIGN | GRAMMAR_REPEAT, GRAMMAR_KEY_GPG, NULL,
     "debsigs signature member"},
    {"xml-sign", xml_attributes, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_X509, NULL, "enveloped XML signature"},
    {"clickonce-sign", grammar_nothing, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_X509, NULL,
     "ClickOnce manifests of the directory"},
    {"notation-sign", tag_attributes, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_X509, NULL,
     "Notary Project signature of a container image"},
    {"cosign-sign", tag_attributes, GRAMMAR_SIGN | GRAMMAR_ONCE, GRAMMAR_KEY_ANY, NULL,
     "cosign signature of a container image"},
    {"dsse-sign", dsse_attributes, GRAMMAR_NEW_FILE | GRAMMAR_REPEAT, GRAMMAR_KEY_ANY, NULL,
     "DSSE envelope with the file in it"},
    {"smime-sign", smime_attributes, GRAMMAR_NEW_FILE | GRAMMAR_REPEAT, GRAMMAR_KEY_X509, NULL,
     "S/MIME message with the file in it"},
    {"create-cms-signature", cms_attributes, GRAMMAR_NEW_FILE | GRAMMAR_REPEAT, GRAMMAR_KEY_X509, NULL,
     "detached CMS (PKCS #7) signature"},
    {"create-gpg-signature", gpg_attributes, GRAMMAR_NEW_FILE | GRAMMAR_REPEAT, GRAMMAR_KEY_GPG, NULL,
     "detached OpenPGP signature"},
    {"create-raw-signature", raw_attributes, GRAMMAR_NEW_FILE | GRAMMAR_REPEAT, GRAMMAR_KEY_ANY, NULL,
     "bare signature value"},
    {"include-in-provenance", grammar_nothing, GRAMMAR_MARK | GRAMMAR_ONCE, GRAMMAR_KEY_NONE, NULL,
     "the final file becomes a subject of the provenance"},
    {"create-provenance-file", output_attributes, GRAMMAR_PROVENANCE | GRAMMAR_ONCE, GRAMMAR_KEY_NONE, NULL,
     "SLSA provenance of the marked files, in the root of the ZIP"},
    {"create-verification-summary-file", output_attributes, GRAMMAR_PROVENANCE | GRAMMAR_ONCE, GRAMMAR_KEY_NONE,
     "create-provenance-file", "verification summary, in the root of the ZIP"},
    {"create-attestation-signature", attestation_attributes, GRAMMAR_PROVENANCE | GRAMMAR_REPEAT, GRAMMAR_KEY_NONE,
     "create-provenance-file create-verification-summary-file",
     "signature over the file it is nested in, by the attestation key of the server"},
    {.name = NULL},
};

/* --- elements ------------------------------------------------------------------------------- */
#define AUTHENTICODE "authenticode-sign authenticode-verify"
#define OF_FILE \
    "dsse-sign smime-sign create-cms-signature create-gpg-signature create-raw-signature"

const struct grammar_element grammar_elements[] = {
    {"pe-file", GRAMMAR_TYPED, false, "Windows executable",
     "exe dll acm ax cpl drv efi mui ocx scr sys tsp", pe_restrictions, AUTHENTICODE, NULL},
    {"powershell-file", GRAMMAR_TYPED, false, "PowerShell script",
     "ps1 psm1 psd1 psdc1 psc1 ps1xml cdxml mof", grammar_nothing, AUTHENTICODE, NULL},
    {"windows-script-file", GRAMMAR_TYPED, false, "Windows script", "wsf vbs js", grammar_nothing,
     AUTHENTICODE, NULL},
    {"msi-file", GRAMMAR_TYPED, true, "Windows Installer package", "msi msm msp", msi_restrictions,
     AUTHENTICODE, NULL},
    {"cab-file", GRAMMAR_TYPED, true, "cabinet", "cab", grammar_nothing, AUTHENTICODE, NULL},
    {"catalog-file", GRAMMAR_TYPED, false, "security catalog", "cat", grammar_nothing, AUTHENTICODE,
     NULL},
    {"appx-file", GRAMMAR_TYPED, true, "app package", "appx appxbundle", appx_restrictions,
     AUTHENTICODE, NULL},
    {"msix-file", GRAMMAR_TYPED, true, "app package", "msix msixbundle", appx_restrictions,
     AUTHENTICODE, NULL},
    {"opc-file", GRAMMAR_TYPED, true, "OPC package", "vsix xps oxps hlkx", opc_restrictions, "opc-sign",
     NULL},
    {"nupkg-file", GRAMMAR_TYPED, true, "NuGet package", "nupkg snupkg", nupkg_restrictions,
     "nuget-sign", NULL},
    {"jar-file", GRAMMAR_TYPED, true, "Java archive", "jar war ear aab", grammar_nothing,
     "jar-sign", NULL},
    {"apk-file", GRAMMAR_TYPED, true, "Android package", "apk", grammar_nothing, "apk-sign", NULL},
    {"rpm-file", GRAMMAR_TYPED, true, "RPM package", "rpm", grammar_nothing, "rpm-sign", NULL},
    {"deb-file", GRAMMAR_TYPED, true, "Debian package", "deb", grammar_nothing, "debsigs-sign",
     NULL},
    {"zip-file", GRAMMAR_TYPED, true, "ZIP archive", "zip", grammar_nothing, "jar-sign",
     "create-provenance-file"},
    {"office-oxml-file", GRAMMAR_TYPED, false, "Office file (Open XML) with macros",
     "xlam xlsb xlsm xltm potm ppam ppsm pptm vsdm vssm vstm docm dotm", grammar_nothing,
     "office-macro-sign", NULL},
    {"office-binary-file", GRAMMAR_TYPED, false, "Office file (binary) with macros",
     "xla xls xlt pot ppa pps ppt mpp mpt pub vdw vdx vsd vss vst vsx vtx doc dot wiz",
     grammar_nothing, "office-macro-sign", NULL},
    {"xml-file", GRAMMAR_TYPED, false, "XML document", "xml", xml_restrictions, "xml-sign", NULL},
    {"oci-image-layout-archive-file", GRAMMAR_TYPED, false, "container image archive", "tar",
     grammar_nothing, "notation-sign cosign-sign", NULL},
    {"directory", GRAMMAR_DIRECTORY, true, "directory", NULL, grammar_nothing, "clickonce-sign",
     NULL},
    {"file", GRAMMAR_FILE, false, "any file", NULL, grammar_nothing, OF_FILE, NULL},
    {.name = NULL},
};
/* clang-format on */

const struct grammar_element *grammar_element_of(const char *name, bool *is_set)
{
    for (const struct grammar_element *row = grammar_elements; row->name != NULL; row++) {
        size_t n = strlen(row->name);
        if (strncmp(row->name, name, n) != 0)
            continue;
        *is_set = strcmp(&name[n], "-set") == 0;
        if (*is_set || name[n] == '\0')
            return row;
    }
    return NULL;
}

const struct grammar_directive *grammar_directive_of(const char *name)
{
    for (const struct grammar_directive *row = grammar_directives; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

const struct grammar_attribute *grammar_attribute_of(const struct grammar_attribute *rows,
                                                     const char *name)
{
    for (; rows->name != NULL; rows++)
        if (strcmp(rows->name, name) == 0 ||
            (rows->old_name != NULL && strcmp(rows->old_name, name) == 0))
            return rows;
    return NULL;
}

bool grammar_lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    while (list != NULL && *list != '\0' && n > 0) {
        size_t length = strcspn(list, " ");
        if (length == n && strncmp(list, word, n) == 0)
            return true;
        list = strchr(list, ' ');
        list = list == NULL ? NULL : &list[1];
    }
    return false;
}

bool grammar_allows(const struct grammar_element *element,
                    const struct grammar_directive *directive, bool is_root)
{
    if ((directive->does & GRAMMAR_MARK) != 0)
        return element->kind != GRAMMAR_DIRECTORY;
    return grammar_lists(element->directives, directive->name) ||
           (is_root && grammar_lists(element->root_directives, directive->name));
}

bool grammar_is_root(const struct grammar_element *element)
{
    return element->kind == GRAMMAR_TYPED;
}
