/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/msi/msi_package.h"

/* {000C1084-...}: database, {000C1086-...}: patch, {000C1082-...}: transform. */
bool msi_probe(struct reader head, const struct source *in)
{
    static const uint8_t tail[12] = {0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46};
    uint8_t clsid[CFB_CLSID];
    if (!cfb_starts(head) || !cfb_root_clsid(in, clsid))
        return false;
    struct reader r = reader_over(clsid, sizeof clsid);
    uint32_t first;
    return reader_u32le(&r, &first) && (first == 0xc1084 || first == 0xc1086) &&
           reader_equal(r, reader_over(tail, sizeof tail));
}

static const char name[] = "\5\0D\0i\0g\0i\0t\0a\0l\0S\0i\0g\0n\0a\0t\0u\0r\0e";
static const char name_ex[] = "\5\0M\0s\0i\0D\0i\0g\0i\0t\0a\0l\0S\0i\0g\0n\0a\0t\0u\0r\0e\0E\0x";

/* A storage of that name would be no signature to anybody, but stand in the way of one; so would a
 * stream that only Windows, which finds names without case, takes for it. */
static bool find_stream(const struct cfb *c, struct reader wanted, const struct cfb_entry **ret,
                        struct err *e)
{
    *ret = cfb_find(c, 0, wanted);
    return *ret == NULL || ((*ret)->type == CFB_STREAM && reader_equal((*ret)->name, wanted)) ||
           err_user(e, ERR_CFB,
                    "The place of the signature is taken by a storage, or by a stream whose name "
                    "differs by case only. Build the file again.");
}

bool msi_open(struct arena *a, const struct source *in, struct msi *ret, struct err *e)
{
    struct msi m = {0};
    TRY(cfb_open(a, in, &m.file, e));
    /* MS-CFB 2.6.1 wants zero. Excel writes a time; verifiers of installers insist. */
    if (!reader_starts_with(m.file->entries[0].times, "\0\0\0\0\0\0\0\0", 8))
        return err_user(e, ERR_CFB,
                        "The compound file is malformed: its root has a time of creation. Build it "
                        "again.");
    TRY(find_stream(m.file, reader_over(name, sizeof name), &m.signature, e) &&
        find_stream(m.file, reader_over(name_ex, sizeof name_ex), &m.signature_ex, e));
    *ret = m;
    return true;
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct msi m;
    struct file_facts facts = {0};
    TRY(msi_open(a, in, &m, e) && msi_summary(a, m.file, &facts.facts, e));
    facts.signatures = m.signature != NULL;
    *ret = facts;
    return true;
}

const struct format msi_format = {
    .facts = &msi_facts,
    .probe = msi_probe,
    .inspect = inspect,
    .sign = msi_sign,
    .verify = msi_verify,
    .open = msi_container,
    .open_near = msi_container_near,
    .rebuild = msi_rebuild,
    .extract = msi_extract,
    .extract_many = msi_extract_many,
    .repack = msi_repack,
    .compare = msi_compare,
};
