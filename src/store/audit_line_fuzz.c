/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_line.h"
#include "store/audit_verify.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An exported log comes from whoever has the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct source file = source_memory(reader_over(data, size));
    struct audit_check check = {0};
    struct audit_report report;
    if (audit_verify_file(&file, &check, &report, &e))
        assert(report.bad == (report.what[0] != '\0'));
    else
        assert(e.code != ERR_NONE);
    struct audit_check witnessed = {.witnesses = reader_over(data, size)};
    struct err other = {0};
    static const char empty[] =
        "{\"chancery\":\"audit export 1\",\"size\":0,\"root\":"
        "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"heads\":0}\n";
    file = source_memory(reader_text(empty));
    assert(audit_verify_file(&file, &witnessed, &report, &other) == (other.code == ERR_NONE));
    return 0;
}
